"""Runs subprocesses."""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from amikiln.errors import AmikilnError
from amikiln.runtime.installed import find_line_for

TAIL_LINES = 20


@dataclass(frozen=True)
class Output:
    """What a program wrote before it exited with 0."""

    stdout: bytes
    stderr: bytes


class CommandMissing(AmikilnError):
    """A program that amikiln needs is not installed."""

    def __init__(self, program: str) -> None:
        super().__init__(
            f"the program {program!r} is not on PATH",
            hint=find_line_for(program),
        )
        self.program = program


class CommandFailed(AmikilnError):
    """A program exited with a code other than 0, or ran out of time.

    Names the program but not its arguments or input, which may hold secrets.

    Attributes:
        exit_code_seen: The program's exit code; None if it was killed at its deadline.
        tail: The last lines it wrote to stderr (or to both, when streamed).
    """

    def __init__(self, program: str, exit_code_seen: int | None, tail: str) -> None:
        how = "ran out of time" if exit_code_seen is None else f"exited with {exit_code_seen}"
        last_line = tail.strip().rsplit("\n", 1)[-1]
        super().__init__(f"{program} {how}" + (f": {last_line}" if last_line else ""))
        self.program = program
        self.exit_code_seen = exit_code_seen
        self.tail = tail


def run(
    argv: Sequence[str | Path],
    *,
    input: bytes | IO[bytes] | None = None,
    timeout_seconds: float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Output:
    """Run a program to its end and return what it wrote.

    Args:
        argv: The program and its arguments. Never a secret: other users can read them.
        input: What the program reads from stdin, as bytes or as a file on disk; nothing by default.
        timeout_seconds: Kill the program after this long.
        env: The whole environment; by default this process's.
        cwd: The directory to run in.

    Raises:
        CommandMissing: The program is not installed.
        CommandFailed: It exited with a code other than 0, or ran out of time.
    """
    program = _find_program(argv)
    source: dict[str, object] = {"input": input}
    if not isinstance(input, bytes):
        source = {"stdin": subprocess.DEVNULL if input is None else input}
    try:
        done = subprocess.run(  # type: ignore[call-overload]
            [str(word) for word in argv],
            capture_output=True,
            timeout=timeout_seconds,
            env=env,
            cwd=cwd,
            check=False,
            # Ctrl-C must reach this process alone, which then decides what to stop and clean up.
            start_new_session=True,
            **source,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(program, None, _last_lines(error.stderr or b"")) from error
    if done.returncode != 0:
        raise CommandFailed(program, done.returncode, _last_lines(done.stderr or done.stdout))
    return Output(done.stdout, done.stderr)


def stream(
    argv: Sequence[str | Path],
    on_line: Callable[[str], None],
    *,
    input: bytes | None = None,
    timeout_seconds: float | None = None,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a program and pass on each line it writes, stdout and stderr together, as it comes.

    Args:
        argv: The program and its arguments.
        on_line: Called with every line, without its newline. What it raises ends the program.
        input: What the program reads from stdin.
        timeout_seconds: Kill the program after this long.
        env: The whole environment; by default this process's.

    Raises:
        CommandMissing: The program is not installed.
        CommandFailed: It exited with a code other than 0, or ran out of time.
    """
    program = _find_program(argv)
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with subprocess.Popen(
        [str(word) for word in argv],
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        start_new_session=True,
    ) as child:
        overdue = threading.Event()

        def end_at_deadline() -> None:
            overdue.set()
            child.kill()

        timer = threading.Timer(timeout_seconds or 0, end_at_deadline)
        timer.daemon = True
        feeder = threading.Thread(target=_feed, args=(child, input), daemon=True)
        try:
            if timeout_seconds is not None:
                timer.start()
            feeder.start()
            assert child.stdout is not None  # noqa: S101  (opened as a pipe above)
            for raw in child.stdout:
                line = raw.decode(errors="replace").rstrip("\r\n")
                tail.append(line)
                on_line(line)
            exit_code = child.wait()
        except BaseException:
            child.send_signal(signal.SIGKILL)
            raise
        finally:
            timer.cancel()
    if exit_code != 0:
        raise CommandFailed(program, None if overdue.is_set() else exit_code, "\n".join(tail))


def _feed(child: subprocess.Popen[bytes], data: bytes | None) -> None:
    if child.stdin is None or data is None:
        return
    try:
        with child.stdin as pipe:
            pipe.write(data)
    except BrokenPipeError:
        # The program ended without reading everything; its exit code says more than we could.
        return


def _find_program(argv: Sequence[str | Path]) -> str:
    program = str(argv[0])
    if shutil.which(program) is None:
        raise CommandMissing(program)
    return Path(program).name


def _last_lines(raw: bytes) -> str:
    return "\n".join(raw.decode(errors="replace").strip().splitlines()[-TAIL_LINES:])
