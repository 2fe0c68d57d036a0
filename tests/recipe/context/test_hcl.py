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


EVERY_FORM = r"""
variable "TAGS" {
  type        = list(string)
  default     = null
  description = "Tags /* and */ # more // of it"
  validation {
    condition     = length(TAGS) > 0
    error_message = "no ${TAGS[0]}"
  }
}
function "bindir" {
  params          = [name, suffix]
  variadic_params = rest
  result          = DESTDIR != "" ? DESTDIR : "./bin/${name}"
}
group default { targets = ["a", "b"] }
target "a" {
  name     = "a-${replace(item.version, ".", "-")}"
  inherits = ["_common"]
  matrix = {
    item = [
      { version = "1.0", os = "linux" }, // the old one
      { version = "2.0", os = "linux" }
    ]
    "key" = KEYS
  }
  args {
    A = "1"
  }
  dockerfile = <<EOT
Dockerfile
EOT
  platforms = (item.os == "linux" && X != null) ? [
    "linux/amd64",
  ] : []
  secret     = [{ type = "env", id = "A" }, "id=B"]
  contexts   = { base = "target:b", "other" = ctx }
  tags       = [for tag in TAGS : "a:${tag}" if tag != ""]
  output     = concat(["type=docker"], split(",", OUT)...)
  labels     = { for k, v in LABELS : k => v }
  cache-from = ["type=gha", /* between */ "type=inline"]
  no-cache   = true
  dockerfile-inline = <<-EOT
    FROM scratch
    RUN echo "${X}" "{"
  EOT
  network = "%{ if X }host%{ endif }"
  target  = ("b")
}
target "b" { context = "." }
"""


def test_every_form_of_a_bake_file_is_read() -> None:
    for form in (EVERY_FORM, EVERY_FORM.replace("\n", "\r\n")):
        blocks = {block.labels: block for block in read_blocks(form)}
        assert blocks[("default",)].values == {"targets": ("a", "b")}
        assert blocks[("b",)].values == {"context": "."}
        known = {key: value for key, value in blocks[("a",)].values.items() if value is not None}
        assert known == {"inherits": ("_common",), "cache-from": ("type=gha", "type=inline")}
        # That they are there is known of the others.
        assert {"matrix", "name", "dockerfile", "dockerfile-inline"} <= blocks[("a",)].values.keys()
        assert "args" not in blocks[("a",)].values


def test_a_file_without_a_last_line_end_and_an_empty_one_are_read() -> None:
    assert read_blocks('target "a" { context = "x" }')[0].values == {"context": "x"}
    assert read_blocks("") == []
    assert read_blocks("# nothing\n") == []


def test_what_nests_without_end_is_a_fault() -> None:
    with pytest.raises(ValueError, match=r"."):
        read_blocks("a = " + "[" * 100_000)


@pytest.mark.parametrize("text", ['target "a" {', 'target "a', "}", "= 1", 'x = "', "{ a = 1 }"])
def test_what_is_no_hcl_is_a_fault(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_blocks(text)
