"""Packer's template: how its two variants differ, and how values are validated and quoted."""

from __future__ import annotations

import difflib
import shutil
import subprocess
from pathlib import Path

import pytest

from amikiln.errors import SpecError
from amikiln.export.packer import template as packer
from export.packer.cpu_build import (
    IMAGE,
    ROOT,
    TEMPLATE,
    needs_packer,
    render_folder,
    without_files,
)
from fakes import spec

DIFFERENCES = ROOT / "tests" / "cases" / "packer" / "only-in-one-template.txt"


def test_an_image_in_no_checkout_is_resolved_by_the_amikiln_on_path(tmp_path: Path) -> None:
    here = tmp_path / "packer"
    files = render_folder(here=here, directory=tmp_path / "images" / "mine")
    text = files[TEMPLATE].decode()
    assert '"amikiln export packer-inputs ' in text
    assert "CHECKOUT" not in text
    assert 'abspath("${path.root}/../images/mine")' in text
    assert "shared/guest/lib.sh" in files


def test_the_two_templates_differ_in_what_is_named_and_in_nothing_else() -> None:
    current, classic = (
        render_folder(classic=which)[TEMPLATE].decode().splitlines() for which in (False, True)
    )
    different = [
        line
        for line in difflib.unified_diff(classic, current, "1.6.6", "current", n=0, lineterm="")
        if not line.startswith("@@")
    ]
    assert different == DIFFERENCES.read_text().splitlines()


@needs_packer
@pytest.mark.parametrize("classic", [False, True], ids=["current", "classic"])
@pytest.mark.parametrize("image", [IMAGE, Path("/images/mine")], ids=["checkout", "elsewhere"])
def test_templates_are_formatted_as_packer_does(classic: bool, image: Path, tmp_path: Path) -> None:
    files = render_folder(directory=image, classic=classic)
    (tmp_path / TEMPLATE).write_bytes(files[TEMPLATE])
    done = subprocess.run(
        ["packer", "fmt", "-check", "-diff", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


BAD_VALUES = [
    "region=moon",
    "ami_name_prefix=a",
    "source_ami_name=",
    "source_ami_owner=somebody",
    "ssh_username=Root",
    "instance_type=large",
    "subnet_id=subnet",
    "security_group_id=sg-XYZ",
    'ssh_from=["everywhere"]',
    "root_device=xvda",
    "volume_size=0",
    "volume_iops=100",
    "volume_throughput=1",
    "machine_minutes=1",
]


@needs_packer
@pytest.mark.parametrize("value", BAD_VALUES)
def test_every_variable_is_validated(value: str, tmp_path: Path) -> None:
    template = tmp_path / TEMPLATE
    template.write_bytes(render_folder(classic=True)[TEMPLATE])
    command = ["packer", "validate", f"-var={value}", str(template)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "validation rule" in done.stdout + done.stderr


def test_no_variable_is_without_a_validation_and_a_description() -> None:
    text = render_folder()[TEMPLATE].decode()
    blocks = text.split("\nvariable ")[1:]
    assert {value.partition("=")[0] for value in BAD_VALUES} | {"deprecate_days"} == {
        block.split('"')[1] for block in blocks
    }
    for block in blocks:
        body = block.split("\n}\n")[0]
        assert "validation {" in body
        assert "description = " in body


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", '"plain"'),
        ('a"b', '"a\\"b"'),
        ("${var.x}", '"$${var.x}"'),
        ("%{ if x }", '"%%{ if x }"'),
        ("a\\b", '"a\\\\b"'),
    ],
)
def test_values_are_quoted_for_hcl(value: str, written: str) -> None:
    assert packer.quote_hcl(value) == written


def test_a_source_by_id_is_a_variable_with_it_and_any_other_one_without(tmp_path: Path) -> None:
    by_id = spec(source={"id": "ami-0123456789abcdef0"})
    text = packer.render_folder(without_files(by_id), tmp_path)[TEMPLATE].decode()
    assert 'default     = "ami-0123456789abcdef0"' in text
    assert "source_ami_filter" not in text
    by_parameter = spec(source={"parameter": "/aws/service/debian/release/12/latest/amd64"})
    text = packer.render_folder(without_files(by_parameter), tmp_path)[
        "buildkite-cpu-ami.pkr.hcl"
    ].decode()
    variable = text.split('variable "source_ami" {')[1].split("\n}\n")[0]
    assert "default" not in variable


def test_root_needs_no_sudo(tmp_path: Path) -> None:
    as_root = spec(source={"id": "ami-0123456789abcdef0", "user": "root"})
    text = packer.render_folder(without_files(as_root), tmp_path)[TEMPLATE].decode()
    assert 'execute_command = "sh -eu {{ .Path }}"' in text
    assert 'execute_command = "sudo -n sh -eu {{ .Path }}"' in render_folder()[TEMPLATE].decode()


LOGIN = {"registry.example": {"username": "ci", "secret": "token"}}
INSTANCE = {"types": ["t3.micro"]}


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("warm.secrets", {"warm": {"context": "warm", "secrets": ["token"]}}),
        ("docker.logins", {"docker": {"images": [], "logins": LOGIN}}),
        ("docker.logins", {"docker": {"images": [], "logins": {"registry.example": "docker"}}}),
        ("instance.market", {"instance": {**INSTANCE, "market": "spot"}}),
        ("network.public_address", {"network": {"public_address": "no"}}),
        ("network.connect", {"network": {"connect": "session-manager"}}),
    ],
)
def test_what_packer_would_leave_out_is_refused_with_the_way_out(
    tmp_path: Path, key: str, changes: dict[str, object]
) -> None:
    with pytest.raises(SpecError) as caught:
        packer.render_folder(without_files(spec(**changes)), tmp_path)
    assert caught.value.what == f"Packer's template has no {key}"
    hint = str(caught.value.hint)
    assert f"`amikiln bake {IMAGE}`" in hint
    assert "BUILDER=bake" in hint


@pytest.mark.parametrize("classic", [False, True], ids=["current", "classic"])
def test_tags_key_and_profile_are_the_specs(tmp_path: Path, classic: bool) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1a2b"
    wanted = spec(
        tags={"team": "ci", "a longer one": "x"},
        volume={"size_gib": 12, "kms_key": key},
        instance={**INSTANCE, "profile": "builder"},
    )
    files = packer.render_folder(without_files(wanted), tmp_path, classic=classic)
    text = files[TEMPLATE].decode()
    assert f'    encrypted  = true\n    kms_key_id = "{key}"\n' in text
    assert '  iam_instance_profile = "builder"\n' in text
    assert '    "team"          = "ci"\n' in text
    plain = render_folder(classic=classic)[TEMPLATE].decode()
    assert "kms_key_id" not in plain
    assert "iam_instance_profile" not in plain
    if shutil.which("packer") is not None:
        (tmp_path / TEMPLATE).write_text(text)
        checked = subprocess.run(["packer", "fmt", "-check", tmp_path], check=False)
        assert checked.returncode == 0


def test_the_pull_script_pulls_every_image_and_tries_again(tmp_path: Path) -> None:
    two = spec(docker={"images": ["a/b:1", "c:latest"]})
    script = tmp_path / "pull.sh"
    script.write_bytes(packer.render_folder(without_files(two), tmp_path)[packer.PULL_SCRIPT])
    docker = tmp_path / "docker"
    docker.write_text(
        f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n'
        f"case $* in *c:latest) mkdir {tmp_path}/failed 2>/dev/null && exit 1 ;; esac\nexit 0\n"
    )
    sleep = tmp_path / "sleep"
    sleep.write_text("#!/bin/sh\n")
    for program in (docker, sleep):
        program.chmod(0o755)
    done = subprocess.run(
        ["bash", str(script)],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted((tmp_path / "calls").read_text().splitlines()) == [
        "pull --quiet a/b:1",
        "pull --quiet c:latest",
        "pull --quiet c:latest",
    ]
    assert "image.toml" in script.read_text().splitlines()[1]
