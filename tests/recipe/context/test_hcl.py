"""HCL is read as far as it is certain: literals of blocks, whatever stands between them."""

from __future__ import annotations

import pytest

from amikiln.recipe.context.hcl import read_blocks

FILE = r"""
# a comment with "quotes" and { braces
variable "TAG" { default = "latest" } // one line
variable LIST {
  default = ["a", "b",]
  validation { condition = length(LIST) > 0 && "}" != "{" }
}
/* target "gone" { context = "x" } */
function "get" {
  params = []
  result = compact([
    TAG != "" ? "ref=${TAG != "" ? "a}\"b" : "c"},mode=max" : "",
  ])
}
target "test" {
  inherits   = ["_common", # the first
                "_labels"]
  context    = "." # here
  dockerfile = "docker/Dock\u0065rfile"
  args       = { A = "b", C = TAG }
  tags       = ["x:${TAG}"]
  platforms  = []
  target     = TAG
  price      = "$5 and 5% \\ $${TAG}"
  dockerfile-inline = <<-EOT
    FROM scratch
    } "
    EOT
  attest = [
    { type = "sbom" },
  ]
}
matrix = { a = 1 }
"""


def test_literals_are_read_and_everything_else_is_none() -> None:
    blocks = read_blocks(FILE)
    assert [(block.kind, block.labels) for block in blocks] == [
        ("variable", ("TAG",)),
        ("variable", ("LIST",)),
        ("function", ("get",)),
        ("target", ("test",)),
    ]
    assert blocks[0].values == {"default": "latest"}
    assert blocks[1].values == {"default": ("a", "b")}
    assert blocks[3].values == {
        "inherits": ("_common", "_labels"),
        "context": ".",
        "dockerfile": "docker/Dockerfile",
        "args": None,
        "tags": None,
        "platforms": (),
        "target": None,
        "price": None,
        "dockerfile-inline": None,
        "attest": None,
    }


@pytest.mark.parametrize("text", ['target "a" {', 'target "a', "}", "= 1", 'x = "', "{ a = 1 }"])
def test_what_is_no_hcl_is_a_fault(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_blocks(text)
