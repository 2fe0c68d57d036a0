"""The spec: faults named all at once, in words; the overlay; the document's values."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from amikiln.errors import SpecError
from amikiln.spec import load as spec
from amikiln.spec.spec import Spec
from fakes import spec_values

CASES = sorted((Path(__file__).parents[1] / "cases" / "spec").glob("*.toml"))
CONTRADICTIONS = sorted((Path(__file__).parents[1] / "cases" / "contradictions").glob("*.toml"))
"""Values that are allowed each by itself: found once no single one is at fault."""
ORIGINALS_IMAGE = Path(__file__).parents[2] / "images" / "cpu-build"


def changed(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in change.items():
        below = result.get(key)
        merge = isinstance(below, Mapping) and isinstance(value, Mapping) and value
        result[key] = changed(below, value) if merge else value  # type: ignore[arg-type]
    return result


def test_there_are_cases() -> None:
    assert CASES
    assert CONTRADICTIONS


@pytest.mark.parametrize("case", [*CASES, *CONTRADICTIONS], ids=lambda case: case.stem)
def test_a_fault_is_named_with_key_value_and_what_is_allowed(case: Path) -> None:
    wanted = tomllib.loads(case.read_text())
    with pytest.raises(SpecError) as caught:
        spec.parse(changed(spec_values(), wanted["change"]), origin="image.toml")
    assert caught.value.what.splitlines() == [f"image.toml: {line}" for line in wanted["faults"]]


def test_all_faults_are_named_at_once() -> None:
    everything: dict[str, Any] = {}
    faults: list[str] = []
    for case in CASES:
        wanted = tomllib.loads(case.read_text())
        key = next(iter(wanted["change"]))
        if key not in everything:
            everything = changed(everything, wanted["change"])
            faults += wanted["faults"]
    with pytest.raises(SpecError) as caught:
        spec.parse(changed(spec_values(), everything), origin="image.toml")
    assert len(faults) > 8
    assert sorted(caught.value.what.splitlines()) == sorted(f"image.toml: {f}" for f in faults)


def leaves(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Return the path of every value that a spec can have."""
    for name, field in model.model_fields.items():
        tables = [
            kind
            for kind in (field.annotation, *get_args(field.annotation))
            if get_origin(field.annotation) is not tuple
            and isinstance(kind, type)
            and issubclass(kind, BaseModel)
        ]
        if tables:
            yield from leaves(tables[0], (*above, name))
        else:
            yield (*above, name)


def nested(path: tuple[str, ...], value: object) -> dict[str, Any]:
    for part in reversed(path):
        value = {part: value}
    assert isinstance(value, dict)
    return value


LEAVES = sorted(leaves(Spec))
NOTHING_TAKES_THIS = {"a": {"table": True}}


def test_a_fault_in_every_field_at_once_is_named_for_every_field() -> None:
    everything: dict[str, Any] = {}
    for path in LEAVES:
        everything = changed(everything, nested(path, [NOTHING_TAKES_THIS]))
    with pytest.raises(SpecError) as caught:
        spec.parse(everything, origin="image.toml")
    keys = {line.split(": ")[1] for line in caught.value.what.splitlines()}
    # What is wrong in a list is named with its place in it.
    assert {key.split(".0")[0] for key in keys} == {".".join(path) for path in LEAVES}
    assert len(LEAVES) > 30


HOSTILE = {
    "quote": "it's",
    "double quote": 'a"b',
    "command": "$(touch /tmp/owned)",
    "backticks": "`touch /tmp/owned`",
    "newline": "a\nb",
    "10000 characters": "x" * 10_000,
    "way up": "../../etc/passwd",
    "second command": "a; touch /tmp/owned",
    "option": "-oProxyCommand=x",
    "zero byte": "a\0b",
    "markup": "[bold]a",
    "nothing": "",
}
UNCHECKED_BY_US = {
    # Only ever a value in a call to AWS, where it is checked, and a word in a table.
    ("ami_name_prefix",),
    ("source", "name"),
    ("fleet", "auto_scaling_groups"),
    # A folder's name or a git URL: ends up in git's argv behind a --, and never in a shell.
    ("warm", "context"),
}


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("path", LEAVES, ids=".".join)
def test_a_hostile_value_is_refused_or_stays_as_it_is(path: tuple[str, ...], value: str) -> None:
    listed = isinstance(_value(spec.load_image(ORIGINALS_IMAGE).spec, path), tuple)
    raw = changed(spec_values(), nested(path, [value] if listed else value))
    faults = spec._find_faults(raw)
    if not faults:
        assert path in UNCHECKED_BY_US
        found = spec.parse(raw, origin="image.toml")
        assert _value(found, path) == ((value,) if listed else value)
    else:
        assert any(str(fault).startswith(".".join(path)) for fault in faults)


def _value(found: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        found = getattr(found, part)
    return found


def test_the_documents_image_has_the_documents_values() -> None:
    found = spec.load_image(ORIGINALS_IMAGE).spec
    assert found.docker.images == ("public.ecr.aws/q9t5s3a7/vllm-ci-postmerge-repo:latest",)
    assert (found.buildkit.max_parallelism, found.buildkit.gc) == (16, False)
    assert (found.buildkit.builder, found.buildkit.owner) == (
        "baked-vllm-builder",
        "buildkite-agent",
    )
    assert found.volume.size_gib == 512
    assert (found.volume.iops, found.volume.throughput_mib) == (6000, 500)
    assert found.pointer == "/buildkite/cpu-build-ami/us-east-1"
    assert found.publish.data_type == "aws:ec2:image"
    assert found.deprecate_days == 7


def test_local_values_are_laid_over_table_by_table() -> None:
    local = spec.load_image(ORIGINALS_IMAGE, local=True).spec
    assert local.docker.images[0].startswith("registry.amikiln.internal/")
    assert local.buildkit.max_parallelism == 16
    assert spec.load_image(ORIGINALS_IMAGE).spec.docker.images[0].startswith("public.ecr.aws/")


def test_a_byte_order_mark_is_no_part_of_the_toml(tmp_path: Path) -> None:
    content = (ORIGINALS_IMAGE / "image.toml").read_bytes()
    (tmp_path / "image.toml").write_bytes(b"\xef\xbb\xbf" + content)
    assert spec.load_image(tmp_path).spec == spec.load_image(ORIGINALS_IMAGE).spec


@pytest.mark.parametrize(
    ("local", "change", "found"),
    [
        (False, "deprecate_days=7", ("stack_version", "v6.71.1")),
        (True, "deprecate_days=7", ("name", "amikiln-base-debian-13-x86_64")),
        (False, "source.id=ami-0123456789abcdef0", ("id", "ami-0123456789abcdef0")),
        (True, "source.stack_version=v6.0.0-beta1", ("stack_version", "v6.0.0-beta1")),
    ],
)
def test_another_way_to_find_the_source_image_replaces_the_first(
    local: bool, change: str, found: tuple[str, str]
) -> None:
    source = spec.load_image(ORIGINALS_IMAGE, local=local, changes=[change]).spec.source
    ways = {way: getattr(source, way) for way in spec.SOURCE_KEYS}
    assert [(way, value) for way, value in ways.items() if value is not None] == [found]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no .*/nothing/image\.toml"):
        spec.load_image(tmp_path / "nothing")


def test_what_is_not_toml_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "image.toml").write_text("name = \n")
    with pytest.raises(SpecError, match=r"image\.toml:1:8: not TOML: .*\n  1 \| name = \n"):
        spec.load_image(tmp_path)


WITH_A_TYPO = """
[local.buildkit]
max_paralelism = 8
"""


def test_the_accounts_network_is_not_the_local_clouds(tmp_path: Path) -> None:
    given = 'subnet_parameter = "/build/subnet"\nsecurity_group_parameter = "/build/group"\n'
    text = (ORIGINALS_IMAGE / "image.toml").read_text()
    (tmp_path / "image.toml").write_text(text.replace("[instance]\n", f"[instance]\n{given}"))
    assert spec.load_image(tmp_path).spec.instance.subnet_parameter == "/build/subnet"
    local = spec.load_image(tmp_path, local=True).spec.instance
    assert (local.subnet_parameter, local.security_group_parameter) == (None, None)
    assert local.ssh_from == "127.0.0.1/32"


def test_a_commits_keys_are_not_those_of_the_local_folder(tmp_path: Path) -> None:
    text = (ORIGINALS_IMAGE / "image.toml").read_text()
    (tmp_path / "image.toml").write_text(
        text.replace("[warm]\n", "[warm]\nsubmodules = false\n", 1)
    )
    for local, submodules in ((False, False), (True, True)):
        warm = spec.load_image(tmp_path, local=local).spec.warm
        assert warm is not None
        assert warm.submodules is submodules


@pytest.mark.parametrize("local", [False, True])
def test_a_fault_in_the_overlay_is_named_whether_it_is_used_or_not(
    tmp_path: Path, local: bool
) -> None:
    original = (ORIGINALS_IMAGE / "image.toml").read_text()
    faulty = original.replace("deprecate_days = 7", "deprecate_days = 0")
    (tmp_path / "image.toml").write_text(
        faulty.replace("[local.buildkit]", WITH_A_TYPO.strip()),
    )
    with pytest.raises(SpecError) as caught:
        spec.load_image(tmp_path, local=local)
    deprecate, its_line, typo, typos_line = caught.value.what.splitlines()
    assert "deprecate_days: 0: " in deprecate
    assert its_line.endswith(" | deprecate_days = 0")
    assert typos_line.endswith(" | max_paralelism = 8")
    assert "buildkit.max_paralelism: unknown key; did you mean max_parallelism?" in typo
    assert ("[local]" in typo) is not local


def test_a_local_value_that_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "image.toml").write_text('local = "yes"\n')
    with pytest.raises(SpecError, match="local: has to be a table"):
        spec.load_image(tmp_path, local=True)


def test_an_image_s_folder_is_read_whole_by_its_name_or_its_file_s(tmp_path: Path) -> None:
    write_folder(tmp_path, {"steps/before-seal.sh": "true\n", "checks/models.sh": "false\n"})
    found = spec.load_image(tmp_path)
    assert found == spec.load_image(tmp_path / "image.toml")
    assert (found.directory, found.spec.name) == (tmp_path, "cpu-build")
    assert found.steps == {"steps/85-before-seal.sh": b"true\n"}
    assert found.checks == {"models": b"false\n"}


def test_faults_of_the_spec_and_of_own_files_are_in_one_error(tmp_path: Path) -> None:
    write_folder(tmp_path, {"steps/install.sh": "", "checks/Models.sh": ""})
    with pytest.raises(SpecError) as caught:
        spec.load_image(tmp_path, changes=["volume.size_gib=0", "deprecate_days=0"])
    lines = caught.value.what.splitlines()
    assert [line.removeprefix(f"{tmp_path}/").split(": ")[:2] for line in lines[:2]] == [
        ["--set deprecate_days=0", "deprecate_days"],
        ["--set volume.size_gib=0", "volume.size_gib"],
    ]
    rest = [line.split(": ")[0] for line in lines[2:] if "[local]" not in line]
    assert rest == [str(tmp_path / "steps/install.sh"), str(tmp_path / "checks/Models.sh")]


def write_folder(folder: Path, files: dict[str, str]) -> None:
    """Write the original image's spec, and other files beside it."""
    (folder / "image.toml").write_text((ORIGINALS_IMAGE / "image.toml").read_text())
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
