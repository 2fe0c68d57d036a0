"""The scanner's program for each kind of machine, whatever amikiln runs on."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
import zipfile
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from amikiln.errors import PreflightError
from amikiln.recipe import scanner_program
from amikiln.recipe.scanner_program import MEMBER, PACKAGE, RELEASES, VERSION
from amikiln.runtime import process
from fakes import Recorder

REPOSITORY = Path(__file__).parents[2]
CONTENT = b"\x7fELF for arm64"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of wheels that pip takes instead of an index, with one for arm64."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    name = PACKAGE.replace("-", "_")
    wheel = folder / f"{name}-{VERSION}-py3-none-{RELEASES['arm64'].tag}.whl"
    info = f"{name}-{VERSION}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MEMBER, CONTENT)
        archive.writestr(f"{info}/METADATA", f"Name: {PACKAGE}\nVersion: {VERSION}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    wheel_sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    program_sha256 = hashlib.sha256(CONTENT).hexdigest()
    release = replace(RELEASES["arm64"], wheel_sha256=wheel_sha256, program_sha256=program_sha256)
    monkeypatch.setitem(RELEASES, "arm64", release)
    return folder


def test_the_pins_are_those_of_the_lock() -> None:
    lock = (REPOSITORY / "requirements.lock").read_text()
    (block,) = re.findall(rf"^{PACKAGE}=={re.escape(VERSION)} .*(?:\n    --hash.*)+", lock, re.M)
    for release in RELEASES.values():
        assert f"--hash=sha256:{release.wheel_sha256}" in block
    assert f'"{PACKAGE}=={VERSION}; ' in (REPOSITORY / "pyproject.toml").read_text()


def test_the_installed_program_is_used_for_machines_like_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "run", pytest.fail)
    installed = metadata.distribution(PACKAGE).locate_file(MEMBER)
    assert scanner_program.find_program("x86_64") == Path(str(installed))
    content = scanner_program.read_program("x86_64")
    assert hashlib.sha256(content).hexdigest() == RELEASES["x86_64"].program_sha256


def test_another_kind_of_machine_gets_its_own_once(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Settings that are about what is installed are none for what is fetched.
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    monkeypatch.setenv("PIP_CONSTRAINT", str(index / "missing.txt"))
    report = Recorder()
    program = scanner_program.find_program("arm64", report)
    assert (program.read_bytes(), program.stat().st_mode & 0o111) == (CONTENT, 0o111)
    assert "arm64 machines" in report.read()
    monkeypatch.setattr(process, "run", pytest.fail)
    assert scanner_program.find_program("arm64") == program
    assert scanner_program.read_program("arm64") == CONTENT


@pytest.mark.parametrize(("system", "processor"), [("darwin", "x86_64"), ("linux", "aarch64")])
def test_what_is_installed_on_another_kind_of_controller_is_not_sent(
    system: str, processor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: processor)
    assert not scanner_program.runs_here("x86_64")
    assert scanner_program.runs_here("arm64") == (system == "linux")


def test_other_content_under_the_same_name_is_refused(index: Path) -> None:
    (wheel,) = index.iterdir()
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    with pytest.raises(PreflightError, match=r"arm64 machines .* another file"):
        scanner_program.find_program("arm64")


def test_a_kept_program_that_was_changed_is_refused(index: Path) -> None:
    program = scanner_program.find_program("arm64")
    program.write_bytes(b"something else")
    with pytest.raises(PreflightError, match="is not the kingfisher-bin") as raised:
        scanner_program.read_program("arm64")
    assert str(program) in str(raised.value)


def test_no_index_and_no_pip_are_said(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next(index.iterdir()).unlink()
    with pytest.raises(PreflightError, match="pip: No matching distribution found") as raised:
        scanner_program.find_program("arm64")
    assert raised.value.hint is not None
    assert "PIP_INDEX_URL" in raised.value.hint
    # Nothing listens there.
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(PreflightError, match="no connection to the package index"):
        scanner_program.find_program("arm64")
    monkeypatch.setattr(scanner_program, "find_spec", lambda name: None)
    with pytest.raises(PreflightError, match="pip, which fetches it, is not installed"):
        scanner_program.find_program("arm64")
