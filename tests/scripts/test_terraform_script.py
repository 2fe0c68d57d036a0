"""scripts/test-terraform: where the provider comes from, and that skipped is never passed.

Terraform, Python and set-up are fakes, so nothing is asked, fetched or compiled.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASICS = "cat cp dirname echo mkdir mktemp rm sh timeout"
CAN_INSTALL = 'echo "terraform $*" >>"$CALLS"'
CANNOT = f"{CAN_INSTALL}; exit 1"
# What the tests would be given, and scripts/lib/go_program.py.
PYTHON = """
case "$*" in
*go_program.py*--only-if-built*) echo "look for it" >>"$CALLS"; [ -e "$CALLS.built" ] || exit 1 ;;
*go_program.py*) echo "compile it" >>"$CALLS"; [ ! -e "$CALLS.broken" ] || exit 4 ;;
*) echo "$AMIKILN_TERRAFORM_PROVIDERS: $*" >>"$CALLS"
   [ -z "${TF_CLI_CONFIG_FILE:-}" ] || cat "$TF_CLI_CONFIG_FILE" >>"$CALLS"
   exit "$(cat "$CALLS.code")" ;;
esac
echo /kept/provider/terraform-provider-aws
"""


@dataclass
class Checkout:
    """The script, with everything that it calls replaced."""

    root: Path

    @property
    def calls(self) -> str:
        file = self.root / "calls"
        return file.read_text() if file.exists() else ""

    def program(self, path: str, script: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def note(self, suffix: str, text: str = "") -> None:
        (self.root / f"calls.{suffix}").write_text(text)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "repo/scripts/test-terraform", *words],
            env={
                "PATH": str(self.root / "programs"),
                "CALLS": str(self.root / "calls"),
                "TMPDIR": str(self.root / "temporary"),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A machine with Terraform that reaches no registry, and no compiled provider."""
    found = Checkout(tmp_path)
    for name in ("scripts/test-terraform", "scripts/lib/usage.sh", "terraform/aws/versions.tf"):
        (tmp_path / "repo" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "repo" / name)
    found.program("repo/scripts/lib/setup.sh", "exit 0")
    found.program("repo/.venv/bin/python", PYTHON)
    found.program("programs/terraform", CANNOT)
    for name in BASICS.split():
        (tmp_path / "programs" / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    (tmp_path / "temporary").mkdir()
    found.note("code", "0")
    return found


def test_without_terraform_it_is_skipped_when_others_call_it(checkout: Checkout) -> None:
    (checkout.root / "programs/terraform").unlink()
    done = checkout.run("--if-ready")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "terraform: skipped: Terraform is not installed\n"
    assert checkout.calls == ""


def test_without_terraform_it_fails_when_it_is_asked_for(checkout: Checkout) -> None:
    (checkout.root / "programs/terraform").unlink()
    done = checkout.run()
    assert done.returncode == 3
    assert done.stderr == "terraform: needs Terraform 1.11 or newer on PATH\n"


def test_without_the_provider_it_is_skipped_and_nothing_is_fetched(checkout: Checkout) -> None:
    done = checkout.run("--if-ready")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        "terraform: skipped: there is no AWS provider yet (scripts/test-terraform gets it)\n"
    )
    assert checkout.calls == "look for it\n"


def test_a_provider_that_is_there_is_used_without_asking_the_registry(checkout: Checkout) -> None:
    checkout.note("built")
    done = checkout.run("--if-ready", "-k", "order")
    assert done.returncode == 0, done.stderr
    assert "skipped" not in done.stderr
    looked, tests, *configuration = checkout.calls.splitlines()
    assert looked == "look for it"
    assert tests == "compiled: -m pytest -m terraform -rs tests/terraform -k order"
    assert '    "hashicorp/aws" = "/kept/provider"' in configuration


def test_what_terraform_can_install_comes_first(checkout: Checkout) -> None:
    checkout.program("programs/terraform", CAN_INSTALL)
    assert checkout.run().returncode == 0
    asked, tests = checkout.calls.splitlines()
    assert asked.startswith("terraform -chdir=")
    assert asked.endswith(" init -input=false")
    assert tests.startswith("installed: ")


def test_else_it_is_compiled(checkout: Checkout) -> None:
    done = checkout.run()
    assert done.returncode == 0, done.stderr
    assert "compiled from its Go module" in done.stderr
    asked, compiled, tests, *_ = checkout.calls.splitlines()
    assert (asked.split()[0], compiled) == ("terraform", "compile it")
    assert tests.startswith("compiled: ")


@pytest.mark.parametrize("words", [(), ("--if-ready",)])
def test_failing_tests_fail(words: tuple[str, ...], checkout: Checkout) -> None:
    checkout.note("built")
    checkout.note("code", "1")
    assert checkout.run(*words).returncode == 1


def test_a_provider_that_does_not_compile_fails(checkout: Checkout) -> None:
    checkout.note("broken")
    assert checkout.run().returncode == 4
    assert "-m pytest" not in checkout.calls


def test_nothing_is_left_behind(checkout: Checkout) -> None:
    checkout.run()
    assert list((checkout.root / "temporary").iterdir()) == []


def test_all_tests_run_these_between_the_fast_and_the_slow(checkout: Checkout) -> None:
    shutil.copy(ROOT / "scripts/test", checkout.root / "repo/scripts/test")
    checkout.program("repo/scripts/test-terraform", 'echo "test-terraform $*" >>"$CALLS"')
    checkout.program("repo/.venv/bin/python", 'echo "$*" >>"$CALLS"')
    environment = {"PATH": str(checkout.root / "programs"), "CALLS": str(checkout.root / "calls")}
    for words in ([], ["--fast"], ["-k", "pointer"]):
        subprocess.run([checkout.root / "repo/scripts/test", *words], env=environment, check=True)
    fast, terraform, slow, *rest = checkout.calls.splitlines()
    assert "not vm and not terraform" in fast
    assert terraform == "test-terraform --if-ready"
    assert slow == "-m pytest -m vm"
    assert not any(call.startswith("test-terraform") for call in rest)
