"""The registry's images are made beside something else: reported, awaited, interrupted."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from amikiln.errors import LocalCloudError
from amikiln_localcloud import materials
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.contract import SnapshotFiles
from amikiln_localcloud.registry import ahead, content
from fakes import Recorder


def run_instead(
    patch: pytest.MonkeyPatch, code: str, children: list[subprocess.Popen[str]] | None = None
) -> None:
    real = subprocess.Popen

    def start(argv: list[str], **options: object) -> subprocess.Popen[str]:
        assert argv[1:3] == ["-m", "amikiln_localcloud.registry.ahead"]
        child = real([sys.executable, "-c", textwrap.dedent(code)], **options)  # type: ignore[call-overload]
        if children is not None:
            children.append(child)
        return child  # type: ignore[no-any-return]

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


def test_an_error_beside_it_interrupts_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    children: list[subprocess.Popen[str]] = []
    code = """
        import time
        try:
            print("ready", flush=True)
            time.sleep(600)
        except KeyboardInterrupt:
            print("cleaned up", flush=True)
    """
    run_instead(monkeypatch, code, children)
    ready = threading.Event()
    report = Recorder()
    real_line = report.line

    def line(text: str) -> None:
        real_line(text)
        ready.set()

    monkeypatch.setattr(report, "line", line)
    with (
        pytest.raises(RuntimeError, match="base image"),
        ahead.make_images_meanwhile(tmp_path, report),
    ):
        assert ready.wait(60)
        raise RuntimeError("no base image")
    assert report.said == ["ready", "cleaned up"]
    assert children[0].returncode == 0


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
