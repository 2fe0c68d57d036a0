"""The scanner for secrets that is sent with the recipe: kingfisher, and its rules."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from amikiln.errors import PreflightError
from amikiln.recipe import scanner_program
from amikiln.runtime import directories, process
from amikiln.runtime.cache import compute_key, make_once
from amikiln.runtime.progress import Reporter
from amikiln.spec.content import AllowedSecret, Secrets

PROGRAM = "kingfisher"
"""The program's path in the recipe, which is sent as executable."""
RULES = "scanner-rules.yml"
CACHE_FOLDER = "rule-cache"
COMPILE_SECONDS = 300

BUILT_IN = (
    AllowedSecret(
        path="/usr/lib*/libgnutls.so*",
        kind="betterleaks.private-key",
        reason="the library's self-test keys, the same on every machine",
    ),
)
"""What every image may contain, for it is public; each with its reason."""


def read_files(rules: bytes, architecture: str) -> dict[str, bytes]:
    """Return the scanner and its compiled rules, by their paths in the recipe.

    The scanner is a static program, and takes rules that another machine with the same kind of
    processor compiled for the same version; without KVM a guest would compile them for minutes.
    A machine of another kind, which is a real one, compiles them itself in seconds.

    Args:
        rules: The content of ``scanner-rules.yml``.
        architecture: The machine's, as in the spec.

    Raises:
        PreflightError: There is no scanner for that architecture, and it cannot be fetched.
    """
    found = {PROGRAM: scanner_program.read_program(architecture)}
    if scanner_program.runs_here(architecture):
        program = scanner_program.find_program(architecture)
        for entry in _compile_rules(program, rules).iterdir():
            found[f"{CACHE_FOLDER}/{entry.name}"] = entry.read_bytes()
    return found


def find_fault(architecture: str, report: Reporter | None = None) -> str | None:
    """Return why a machine of an architecture cannot be scanned from here; None if it can.

    Args:
        architecture: The machine's, as in the spec.
        report: Says what takes long: the scanner is fetched if it is not here yet.
    """
    try:
        scanner_program.find_program(architecture, report)
    except PreflightError as error:
        return f"{error.what}: {error.hint}"
    return None


def read_version() -> str:
    """Return the scanner's version."""
    return scanner_program.VERSION


def render_allow_list(secrets: Secrets) -> str:
    """Return the allow list as the machine reads it: PATTERN, KIND and REASON between tabs.

    Each is escaped as in a JSON string, like the paths of findings, so that every entry is one
    line.
    """
    return "".join(
        "\t".join(_escape(text) for text in (entry.path, entry.kind, entry.reason)) + "\n"
        for entry in (*BUILT_IN, *secrets.allow)
    )


def _escape(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _compile_rules(program: Path, rules: bytes) -> Path:
    """Return the folder of the compiled rules; compiled once for each version and rule file."""

    def compile_into(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="amikiln-rules-") as scratch:
            file = Path(scratch, RULES)
            file.write_bytes(rules)
            command: list[str | Path] = [program, "rules", "compile-cache", "--no-update-check"]
            command += ["--quiet", "--rules-path", file, "--rule-cache-dir", folder]
            process.run(command, timeout_seconds=COMPILE_SECONDS)

    return make_once(
        directories.cache_directory() / f"scanner-rules-{compute_key(read_version(), rules)}",
        compile_into,
    )
