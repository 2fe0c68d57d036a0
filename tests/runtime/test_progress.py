"""Progress: plain lines with groups where nobody watches, nothing on stdout."""

from __future__ import annotations

import io
import threading

import pytest
from rich.console import Console

from amikiln.runtime.progress import PlainReporter, reporter_for_stderr
from amikiln.runtime.terminal import TerminalReporter


def test_ci_gets_groups_and_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    report = reporter_for_stderr()
    report.group("bake")
    report.line("one\ntwo")
    with report.status("instance i-1 to run"):
        pass
    said = capsys.readouterr()
    assert isinstance(report, PlainReporter)
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0] == "--- bake"
    assert [line[9:] for line in lines[1:]] == [
        "one",
        "two",
        "instance i-1 to run ...",
        "instance i-1 to run: 0.0 s",
    ]


def test_a_terminal_shows_how_long_a_wait_took_and_keeps_brackets() -> None:
    screen = io.StringIO()
    report = TerminalReporter(Console(file=screen, force_terminal=True, width=100))
    with report.status("waiting [for] it"):
        report.line("a line [in] between")
    report.group("next [stage]")
    shown = screen.getvalue()
    assert "a line [in] between" in shown
    assert "waiting [for] it: 0." in shown
    assert "next [stage]" in shown


def test_waits_may_be_nested() -> None:
    report = TerminalReporter(Console(file=io.StringIO(), force_terminal=True, width=100))
    with report.status("outer"), report.status("inner"):
        pass


def test_waits_of_several_threads_share_the_terminal_and_end_in_any_order() -> None:
    screen = io.StringIO()
    report = TerminalReporter(Console(file=screen, force_terminal=True, width=100))
    first_began, second_ended = threading.Event(), threading.Event()

    def first() -> None:
        with report.status("first"):
            first_began.set()
            assert second_ended.wait(30)

    thread = threading.Thread(target=first)
    thread.start()
    assert first_began.wait(30)
    with report.status("second"):
        pass
    second_ended.set()
    thread.join()
    with report.status("third"):
        pass
    for name in ("first", "second", "third"):
        assert f"{name}: 0." in screen.getvalue()


@pytest.mark.parametrize(("ci", "kind"), [("true", PlainReporter), (None, TerminalReporter)])
def test_a_terminal_that_an_agent_gives_its_job_is_ignored(
    ci: str | None, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes stderr for a terminal
    monkeypatch.delenv("CI", raising=False)
    if ci:
        monkeypatch.setenv("CI", ci)
    assert isinstance(reporter_for_stderr(), kind)
