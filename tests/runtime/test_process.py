"""Subprocesses: what programs write, how they end, what errors leave out."""

from __future__ import annotations

import pytest

from amikiln.runtime import process


def test_output_is_returned() -> None:
    done = process.run(["sh", "-c", "cat; echo said >&2"], input=b"given")
    assert (done.stdout, done.stderr) == (b"given", b"said\n")


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(process.CommandMissing, match="'no-such-program'"):
        process.run(["no-such-program"])


def test_a_failure_names_program_code_and_last_line_but_no_argument() -> None:
    with pytest.raises(process.CommandFailed) as caught:
        process.run(["sh", "-c", "echo one >&2; echo two >&2; exit 3", "a-secret"])
    assert caught.value.what == "sh exited with 3: two"
    assert caught.value.tail == "one\ntwo"


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(process.CommandFailed) as caught:
        process.run(["sleep", "60"], timeout_seconds=0.1)
    assert caught.value.exit_code_seen is None


def test_lines_come_as_they_are_written() -> None:
    lines: list[str] = []
    process.stream(["sh", "-c", "echo one; echo two >&2; printf three"], lines.append)
    assert lines == ["one", "two", "three"]


def test_a_streamed_failure_carries_the_tail() -> None:
    with pytest.raises(process.CommandFailed) as caught:
        process.stream(["sh", "-c", "seq 100; exit 4"], lambda line: None)
    assert caught.value.exit_code_seen == 4
    assert caught.value.tail.splitlines() == [str(n) for n in range(81, 101)]


def test_a_streamed_program_is_ended_at_its_deadline() -> None:
    with pytest.raises(process.CommandFailed) as caught:
        process.stream(
            ["sh", "-c", "echo one; exec sleep 60"], lambda line: None, timeout_seconds=0.2
        )
    assert caught.value.exit_code_seen is None


def test_a_streamed_program_is_ended_when_the_listener_fails() -> None:
    def listener(line: str) -> None:
        raise KeyError(line)

    with pytest.raises(KeyError, match="one"):
        process.stream(["sh", "-c", "echo one; exec sleep 60"], listener)


def test_input_larger_than_a_pipe_reaches_a_streamed_program() -> None:
    lines: list[str] = []
    process.stream(["wc", "-c"], lines.append, input=b"x" * 1_000_000)
    assert lines[0].strip() == "1000000"


def test_a_program_that_ignores_its_input_is_no_error() -> None:
    process.stream(["true"], lambda line: None, input=b"x" * 1_000_000)
