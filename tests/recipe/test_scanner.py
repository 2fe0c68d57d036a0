"""The scanner that goes into the machine: found, with its rules compiled, or a fault in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from amikiln.errors import PreflightError
from amikiln.recipe import render, scanner, scanner_program
from amikiln.runtime import process
from fakes import plan

RULES = render.read_shipped_files()[scanner.RULES]


def test_the_rules_are_valid_and_match_their_examples(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"
    file.write_bytes(RULES)
    program = scanner.read_files(RULES, "x86_64")[scanner.PROGRAM]
    here = tmp_path / "kingfisher"
    here.write_bytes(program)
    here.chmod(0o755)
    options = ["--load-builtins=false", "--no-update-check"]
    process.run([here, "rules", "check", "--rules-path", file, *options])


def test_the_compiled_rules_go_along_and_are_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMIKILN_CACHE", str(tmp_path))
    first = scanner.read_files(RULES, "x86_64")
    lock, made = sorted(tmp_path.iterdir())
    assert lock.name == f".{made.name}.lock"
    monkeypatch.setattr(process, "run", pytest.fail)
    assert scanner.read_files(RULES, "x86_64") == first
    assert {path.split("/")[0] for path in first} == {scanner.PROGRAM, scanner.CACHE_FOLDER}
    assert len(list(made.iterdir())) == 1


def test_a_machine_of_another_kind_compiles_the_rules_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scanner_program, "read_program", lambda architecture: b"for arm64")
    monkeypatch.setattr(process, "run", pytest.fail)
    assert scanner.read_files(RULES, "arm64") == {scanner.PROGRAM: b"for arm64"}


def test_a_scanner_that_cannot_be_had_is_a_fault_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(architecture: str, report: object) -> Path:
        raise PreflightError(f"cannot fetch it for {architecture}", hint="go online")

    monkeypatch.setattr(scanner_program, "find_program", refuse)
    assert scanner.find_fault("arm64") == "cannot fetch it for arm64: go online"
    monkeypatch.undo()
    assert scanner.find_fault("x86_64") is None


def test_the_allow_list_is_a_line_an_entry_whatever_is_in_it() -> None:
    reason = 'a "quoted"\treason\nin two lines'
    secrets = plan(secrets={"allow": [{"path": "/opt/a\tb*", "reason": reason}]}).spec.secrets
    *built_in, own = scanner.render_allow_list(secrets).splitlines()
    assert own == '/opt/a\\tb*\t*\ta \\"quoted\\"\\treason\\nin two lines'
    assert len(built_in) == len(scanner.BUILT_IN)
