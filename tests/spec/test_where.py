"""A fault is shown with its place: the file's line, the column, or the flag of the command line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from amikiln.errors import SpecError
from amikiln.spec import where
from amikiln.spec.load import load_image

ORIGINALS_IMAGE = Path(__file__).parents[2] / "images" / "cpu-build"

TEXT = '''name = "a"
# [volume]
note = """
[volume]
"""

[volume] # the disk
size_gib = 20
  "iops"   = 3000

[docker]
images = [
  "debian:13", # volume.iops
  # none
  "alpine:3", "busybox:1",
]
logins."docker.io" = { username = "a", secret = "b" }

[warm]
bake_files = ["a.hcl",
  { url = "https://example.org/b.hcl" }]
[[secrets.allow]]
path = "/a"
[[secrets.allow]]
path = "/b"
[local.volume]
size_gib = 9
'''

PLACES = {
    ("name",): 1,
    ("note",): 3,
    ("volume",): 7,
    ("volume", "size_gib"): 8,
    ("volume", "iops"): 9,
    ("docker", "images"): 12,
    ("docker", "images", 0): 13,
    ("docker", "images", 1): 15,
    ("docker", "images", 2): 15,
    ("docker", "logins", "docker.io"): 17,
    ("docker", "logins", "docker.io", "secret"): 17,
    ("warm", "bake_files", 0): 20,
    ("warm", "bake_files", 1, "url"): 21,
    ("secrets", "allow", 0): 22,
    ("secrets", "allow", 1, "path"): 25,
    ("local", "volume", "size_gib"): 27,
    ("local", "volume", "iops"): None,
    ("docker", "images", 3): None,
    (): None,
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("path", PLACES)
def test_a_value_s_line_is_found(path: tuple[str | int, ...], end: str) -> None:
    assert where.find_line(TEXT.replace("\n", end), path) == PLACES[path]


def write(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the original image's file, changed."""
    text = (ORIGINALS_IMAGE / "image.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    (folder / "image.toml").write_text(text)
    return folder


def read_faults(folder: Path, *changes: str, local: bool = False) -> list[str]:
    """Return what is said of an image's folder, without the folder's name."""
    with pytest.raises(SpecError) as caught:
        load_image(folder, local=local, changes=changes)
    return caught.value.what.replace(f"{folder}/", "").splitlines()


def line_of(folder: Path, text: str) -> int:
    return (folder / "image.toml").read_text().splitlines().index(text) + 1


def test_a_fault_is_shown_with_the_line_of_its_key(tmp_path: Path) -> None:
    folder = write(tmp_path, ("size_gib = 512", "size_gib = 0"), ("gc = false", 'gcc = "no"'))
    one, two = line_of(folder, "size_gib = 0"), line_of(folder, 'gcc = "no"')
    assert read_faults(folder)[:4] == [
        f"image.toml:{one}: volume.size_gib: 0: has to be at least 1",
        f"  {one} | size_gib = 0",
        f"image.toml:{two}: buildkit.gcc: unknown key; did you mean gc?",
        f'  {two} | gcc = "no"',
    ]


def test_a_missing_key_is_shown_with_its_table_and_a_missing_table_with_its_keys(
    tmp_path: Path,
) -> None:
    folder = write(
        tmp_path,
        ('builder = "baked-vllm-builder"\n', ""),
        ("[volume]\nsize_gib = 512\niops = 6000\nthroughput_mib = 500\n", ""),
        ("[local.volume]\nsize_gib = 20\n", ""),
    )
    number = line_of(folder, "[buildkit]")
    said = read_faults(folder)
    assert (
        "image.toml: volume: is missing: add the table [volume] with size_gib (a whole number)"
        in said
    )
    place = next(n for n, line in enumerate(said) if "buildkit.builder: is missing" in line)
    assert said[place].startswith(f"image.toml:{number}: ")
    assert said[place + 1] == f"  {number} | [buildkit]"


def test_a_rule_between_keys_is_shown_with_the_key_that_it_begins_with(tmp_path: Path) -> None:
    folder = write(
        tmp_path, ('\nuser = "ec2-user"', '\nuser = "ec2-user"\nstack_template = "a.yml"')
    )
    changed = (
        (folder / "image.toml")
        .read_text()
        .replace('stack_version = "v6.71.1"', 'id = "ami-01234567"')
    )
    (folder / "image.toml").write_text(changed)
    number = line_of(folder, 'stack_template = "a.yml"')
    assert read_faults(folder)[:2] == [
        f"image.toml:{number}: source: stack_template needs stack_version",
        f'  {number} | stack_template = "a.yml"',
    ]


@pytest.mark.parametrize(
    ("change", "local", "fault"),
    [
        ("volume.iops=90000", False, "volume.iops: 90000: has to be at most 80000"),
        ("buildkit.max_paralelism=8", False, "buildkit.max_paralelism: unknown key; did you mean"),
        ("docker.images=debian", False, 'docker.images: "debian": has to be a list of strings'),
        ('docker.images=["debian"]', False, 'docker.images.0: "debian": is not allowed'),
        ("volume.throughput_mib=2000", False, "volume: gp3 gives at most 0.25 MiB/s per IOPS"),
        ("local.volume.size_gib=0", True, "volume.size_gib: 0: has to be at least 1"),
        ('docker.logins."docker.io"=ecr', False, "docker.logins: docker.io is no registry of ECR"),
        ("deadlines.machine_minutes=9", False, "deadlines.machine_minutes: 9 ends the machine"),
    ],
)
def test_a_fault_of_a_flag_names_the_flag(
    tmp_path: Path, change: str, local: bool, fault: str
) -> None:
    first, *_ = read_faults(write(tmp_path), change, local=local)
    assert first.startswith(f"--set {change}: {fault}")


@pytest.mark.parametrize("change", ["volume", "=1", "a b=1", "volume.=1", "a\nb=1", "local=1"])
def test_what_is_no_flag_is_refused_with_an_example(tmp_path: Path, change: str) -> None:
    with pytest.raises(SpecError) as caught:
        load_image(write(tmp_path), local=True, changes=[change])
    assert caught.value.what.startswith(f"--set {change}: ")
    assert caught.value.hint


def test_a_flag_sets_a_local_value_and_overrides_the_file_s(tmp_path: Path) -> None:
    folder, change = write(tmp_path), "local.volume.size_gib=21"
    assert load_image(folder, local=True, changes=[change]).spec.volume.size_gib == 21
    both = [change, "volume.size_gib=22"]
    assert load_image(folder, local=True, changes=both).spec.volume.size_gib == 22
    with pytest.raises(SpecError, match=r"\[local\] counts only with --local"):
        load_image(folder, changes=[change])


def test_a_flag_s_key_may_be_quoted_as_in_toml(tmp_path: Path) -> None:
    found = load_image(write(tmp_path), changes=['docker.logins."docker.io"=docker', "tags.a-b=c"])
    assert found.spec.docker.logins == {"docker.io": "docker"}
    assert found.spec.tags == {"a-b": "c"}


SYNTAX = {
    "name = cpu\n": (1, 8, "strings stand in quotes"),
    'a = 1\nname = "cpu\nb = 2\n': (2, 12, "no closing quote"),
    "a = True\n": (1, 5, "true or false"),
    "[a]\nb = 1\nb = 2\n": (3, 6, "has a value already"),
    "[a]\nb = 1\n[a]\n": (3, 3, "the table is there already"),
    "a\n": (1, 2, "needs = and a value"),
    "a: 1\n": (1, 2, "needs = and a value"),
    "a = [1\n": (1, 7, "closing ]"),
    "a = 1 b = 2\n": (1, 7, "one key and value a line"),
    "[a\nb = 1\n": (1, 3, "closing ]"),
}


@pytest.mark.parametrize("text", SYNTAX)
def test_what_is_not_toml_is_shown_with_line_column_and_words(tmp_path: Path, text: str) -> None:
    line, column, words = SYNTAX[text]
    (tmp_path / "image.toml").write_text(text)
    first, shown, mark = read_faults(tmp_path)
    assert first.startswith(f"image.toml:{line}:{column}: not TOML: ")
    assert words in first
    assert shown == f"  {line} | {text.splitlines()[line - 1]}"
    assert len(mark) == len(f"  {line} | ") + column


def test_every_message_of_tomllib_has_a_place() -> None:
    """Its messages are no interface: were they to change, the place would be in another form."""
    for text in SYNTAX:
        with pytest.raises(tomllib.TOMLDecodeError) as caught:
            tomllib.loads(text)
        assert where.NOT_TOML.fullmatch(str(caught.value))
