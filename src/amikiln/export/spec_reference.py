"""The page that lists every key of image.toml, made from the code that reads them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from amikiln.spec import words
from amikiln.spec.spec import Spec

HEAD = """\
# Every key of image.toml

Made by `amikiln export spec-reference` from the code that reads the file; [spec.md](../spec.md)
explains how its parts work together. Tables of `[local]` have the same keys, and override others
with `--local`; any key can be set for one run with `--set TABLE.KEY=VALUE`.
"""
UNITS = {
    "days": "days",
    "hours": "hours",
    "minutes": "minutes",
    "seconds": "seconds",
    "gib": "GiB",
    "mib": "MiB/s",
    "iops": "operations a second",
    "inodes": "inodes",
}
"""By the last word of a key."""

EXAMPLES = {
    "": """\
name = "rust-build"
region = "eu-west-1"
ami_name_prefix = "ci-rust-build"
deprecate_days = 14
""",
    "source": """\
[source]                                 # one of these ways:
name = "al2023-ami-2023.*-kernel-6.*-x86_64"
owner = "amazon"
# stack_version = "v6.71.1"              # the Elastic CI Stack's image
# id = "ami-0123456789abcdef0"
# parameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
""",
    "instance": """\
[instance]
types = ["m7i.2xlarge", "m6i.2xlarge"]
market = "spot"
""",
    "network": """\
[network]
public_address = "no"
connect = "session-manager"
""",
    "volume": """\
[volume]
size_gib = 60
iops = 3000
throughput_mib = 250
""",
    "tags": """\
[tags]
team = "builds"
cost-center = "1234"
""",
    "docker": """\
[docker]
images = ["public.ecr.aws/docker/library/rust:1.91-slim"]

[docker.logins]
"123456789012.dkr.ecr.eu-west-1.amazonaws.com" = "ecr"
"registry.example" = { username = "ci", secret = "token" }
""",
    "mirrors": """\
[mirrors]
"docker.io" = ["mirror.example"]
""",
    "buildkit": """\
[buildkit]
builder = "ci"
owner = "buildkite-agent"
max_parallelism = 8
""",
    "warm": """\
[warm]
context = "https://github.com/example/services.git#main"
bake_files = ["docker-bake.hcl", { beside = "ci.hcl" }]
targets = ["test"]
build_args = { MAX_JOBS = "16" }
cache_from = ["type=registry,ref=registry.example/cache:main"]
""",
    "secrets": """\
[[secrets.allow]]
path = "/usr/share/doc/*"
kind = "PEM-Encoded Private Key"
reason = "sample keys of a distribution's documentation"
""",
    "verify": """\
[verify]
minimum_speedup = 10
minimum_free_gib = 20
""",
    "plan": """\
[plan]
max_age_hours = 12
""",
    "publish": """\
[publish]
parameter = "/ci/rust-build/{region}"
""",
    "fleet": """\
[fleet]
auto_scaling_groups = ["ci-rust"]
instance_types = ["m7i.2xlarge"]
""",
    "deadlines": """\
[deadlines]
build_seconds = 7200
""",
}
"""By table. A test reads them as one spec."""


def render_reference() -> str:
    """Return the page, as Markdown."""
    lines = [HEAD.rstrip(), ""]
    tables = {name: field for name, field in Spec.model_fields.items() if _is_table(field)}
    lines += [f"Tables: {', '.join(f'[{name}](#{name})' for name in tables)}.", ""]
    lines += ["## Top level", "", *_render_keys(Spec, leave_out=tables), *_render_example("")]
    for name, field in tables.items():
        lines += [f"## {name}", "", *_render_table(name, field)]
    return "\n".join(lines).rstrip() + "\n"


def _is_table(field: FieldInfo) -> bool:
    return words.describe_type(field).startswith("table")


def _render_table(name: str, field: FieldInfo) -> Iterator[str]:
    table = words.find_table(field)
    if table is None:
        yield from [words.read_texts(Spec)[name], ""]
        yield from [f"A {words.describe_type(field)}: {words.describe_allowed(field)}.", ""]
        yield from _render_example(name)
        return
    yield from [_describe(table), "", *_render_keys(table), *_render_example(name)]
    for key, inner in table.model_fields.items():
        if below := words.find_table(inner):
            yield from [f"### {name}.{key}", "", _describe(below), "", *_render_keys(below)]


def _describe(table: type[BaseModel]) -> str:
    return words.clean(inspect.getdoc(table) or "")


def _render_keys(
    table: type[BaseModel], leave_out: Mapping[str, object] | None = None
) -> Iterator[str]:
    texts = words.read_texts(table)
    yield "| key | type | default | limits | meaning |"
    yield "|---|---|---|---|---|"
    for name, field in table.model_fields.items():
        if name not in (leave_out or {}):
            cells = [f"`{name}`", _describe_type(name, field), _show_default(field)]
            cells += [_describe_limits(field), texts[name]]
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _render_example(name: str) -> list[str]:
    return ["```toml", *EXAMPLES[name].splitlines(), "```", ""] if name in EXAMPLES else []


def _describe_type(name: str, field: FieldInfo) -> str:
    kind, unit = words.describe_type(field), UNITS.get(name.rpartition("_")[2])
    return f"{kind}, {unit}" if unit and "number" in kind else kind


def _describe_limits(field: FieldInfo) -> str:
    said = [words.describe_limits(field), words.describe_allowed(field)]
    return "; ".join(part for part in said if part)


def _show_default(field: FieldInfo) -> str:
    if field.is_required():
        return "has to be given"
    default: Any = field.get_default()
    if default is None:
        return "none"
    if isinstance(default, tuple):
        default = list(default)
    return f"`{json.dumps(default)}`"
