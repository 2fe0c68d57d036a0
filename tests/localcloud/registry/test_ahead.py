"""The registry's images are made beside something else: reported, awaited, interrupted."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from amikiln.errors import LocalCloudError
from amikiln.runtime.wait import Waiter
from amikiln_localcloud import materials
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.contract import SnapshotFiles
from amikiln_localcloud.registry import ahead, content
from fakes import Recorder


def run_instead(patch: pytest.MonkeyPatch, code: str) -> None:
    """Let the process that makes the images run something else."""
    real = subprocess.Popen

    def start(argv: list[str], **options: object) -> subprocess.Popen[str]:
        assert argv[1:3] == ["-m", "amikiln_localcloud.registry.ahead"]
        return real([sys.executable, "-c", code], **options)  # type: ignore[call-overload,no-any-return]

    patch.setattr(ahead.subprocess, "Popen", start)


def test_what_it_says_is_passed_on_and_its_end_awaited(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_instead(monkeypatch, "print('compiling'); print('done')")
    report = Recorder()
    with ahead.make_images_meanwhile(tmp_path, report):
        pass
    assert report.said == ["compiling", "done"]


def test_a_failure_is_an_error_in_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_instead(monkeypatch, "print('no mirror answers'); raise SystemExit(9)")
    with (
        pytest.raises(LocalCloudError, match="no mirror answers"),
        ahead.make_images_meanwhile(tmp_path, Recorder()),
    ):
        pass


def test_an_error_beside_it_ends_it_and_what_it_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The real process, whose first program hangs: nothing of it is left."""
    program, started = tmp_path / "bin" / "skopeo", tmp_path / "started"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\necho $$ >{started}.new; mv {started}.new {started}; exec sleep 600\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    cache = tmp_path / "cache"
    with (
        pytest.raises(RuntimeError, match="no base image"),
        ahead.make_images_meanwhile(cache, Recorder()),
    ):
        Waiter(Recorder()).until(
            lambda: True if started.exists() else None, what="skopeo", deadline_seconds=60
        )
        program_ends = os.pidfd_open(int(started.read_text()))
        raise RuntimeError("no base image")
    try:
        # It was killed; that it is dead may take the kernel a moment more.
        assert select.select([program_ends], [], [], 30)[0], "what it ran goes on"
    finally:
        os.close(program_ends)
    assert [path.name for path in cache.iterdir() if not path.name.endswith(".lock")] == []


def test_its_progress_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    report = ahead.LineReporter()
    with report.status("compiling BuildKit"):
        report.line("a line")
    assert capsys.readouterr().out == "compiling BuildKit ...\na line\ncompiling BuildKit: 0 s\n"


def test_a_failing_image_ends_the_process_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(cache: Path, report: object) -> None:
        raise LocalCloudError("no Go module")

    monkeypatch.setattr(content, "make_images", fail)
    with pytest.raises(SystemExit) as ended:
        ahead.main(tmp_path)
    assert ended.value.code == LocalCloudError.exit_code
    assert capsys.readouterr().out == "no Go module\n"


def test_only_a_cloud_without_a_registry_makes_images_ahead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    base = SnapshotFiles(tmp_path)
    monkeypatch.setattr(materials, "ensure_base", lambda cache, report: base)
    run_instead(monkeypatch, "print('made')")
    home, report = Home(tmp_path / "state", tmp_path / "cache"), Recorder()
    assert materials.make_materials(home, report) == base
    assert report.said == ["made"]
    home.registry.mkdir(parents=True)
    assert materials.make_materials(home, report) == base
    assert report.said == ["made"]
