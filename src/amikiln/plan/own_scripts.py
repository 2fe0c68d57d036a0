"""Own steps and checks, as a shell reads them: what it cannot parse is found before the bake."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping

from amikiln.errors import SpecError
from amikiln.runtime import process
from amikiln.session import Session
from amikiln.spec import own_files
from amikiln.spec.load import ImageFolder

BASH = re.compile(rb"#!.*\bbash(\s|$)")
PARSE_SECONDS = 30


def check_scripts(folder: ImageFolder, session: Session) -> None:
    """Let a shell of this machine parse every own step and check; it runs none of them.

    With bash where the first line names it, and bash is here; else with sh.

    Args:
        folder: Its own steps and checks are parsed.
        session: Reports scripts that only bash can parse: machines run them with sh.

    Raises:
        SpecError: Some cannot be parsed: all of them at once, with what the shell said.
    """
    faults = []
    for file, script in _list_scripts(folder):
        shell = "bash" if BASH.match(script) and shutil.which("bash") else "sh"
        path = folder.directory / file
        if said := _parse(shell, script):
            faults.append(f"{path}: `{shell} -n` refuses it: {said}")
        elif shell == "bash" and (said := _parse("sh", script)):
            session.report.line(
                f"warning: {path} is for bash, and machines run it by sh -eu, which is dash on"
                f" Debian and Ubuntu: {said}"
            )
    if faults:
        raise SpecError("\n".join(faults), hint="nothing was made; correct this and run again")


def _list_scripts(folder: ImageFolder) -> Iterator[tuple[str, bytes]]:
    named: tuple[Mapping[str, bytes], ...] = (folder.steps, folder.checks)
    for scripts, name in zip(named, (own_files.name_step, own_files.name_check), strict=True):
        for key, script in scripts.items():
            yield name(key), script


def _parse(shell: str, script: bytes) -> str:
    """Return what a shell has to say about a script that it cannot parse; empty: it can."""
    try:
        process.run([shell, "-n"], input=script, timeout_seconds=PARSE_SECONDS)
    except process.CommandFailed as error:
        # "sh: 3: Syntax error: ..." and "bash: line 3: syntax error ...": of no file.
        said = [line.partition(": ")[2] or line for line in error.tail.splitlines()]
        return "; ".join(said) or str(error)
    return ""
