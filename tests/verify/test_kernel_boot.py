"""An image whose /boot changed, verified in a container, is booted once where its kernel boots."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from amikiln.errors import VerifyError
from amikiln.machine.virtualization import UNKNOWN
from amikiln.model.verdict import CheckResult, Outcome
from amikiln.runtime.guest import Login
from amikiln.verify.checks.finding import KernelBoot, Subject
from amikiln.verify.checks.run import list_checks, run_check
from fakes import FakeGuest, Script, obey, plan
from harness import Harness

LOGIN = Login("203.0.113.7", "ec2-user", Path("/nonexistent"))


@pytest.fixture
def other(harness: Harness) -> Script:
    """What the guest of the machine that boots a kernel follows; the others are containers."""
    harness.script.machine = "systemd-nspawn"
    harness.script.manifest = {"boot_changed": True}
    other = Script(machine="qemu")

    def connect(login: Login) -> FakeGuest:
        (machine,) = (m for m in harness.hypervisor.machines.values() if m.address == login.address)
        return FakeGuest(login, other if machine.plan.boots_kernel else harness.script)

    harness.session = replace(harness.session, connect=connect)
    return other


def boots_of_kernels(harness: Harness) -> int:
    return sum(machine.plan.boots_kernel for machine in harness.hypervisor.machines.values())


def boot_check(results: tuple[CheckResult, ...]) -> CheckResult:
    return next(result for result in results if result.name == "boot-finished")


def test_the_verdict_says_where_the_kernel_booted(harness: Harness, other: Script) -> None:
    verdict = harness.run().verdict
    assert verdict is not None
    assert verdict.machine == "systemd-nspawn"
    check = boot_check(verdict.checks)
    assert check.outcome is Outcome.PASS
    assert "qemu, emulated, which booted the kernel of the new /boot" in check.evidence
    assert boots_of_kernels(harness) == 1
    assert harness.holdings()["instances"] == []
    assert harness.holdings()["keys"] == []


@pytest.mark.parametrize(
    ("machine", "changed"), [("systemd-nspawn", False), ("amazon", True), ("qemu", True)]
)
def test_no_other_machine_where_nothing_changed_or_the_kernel_booted(
    harness: Harness, other: Script, machine: str, changed: bool
) -> None:
    harness.script.machine = machine
    harness.script.manifest = {"boot_changed": changed}
    assert harness.run().verdict is not None
    assert boots_of_kernels(harness) == 0


def test_a_cloud_that_gives_another_container_proves_nothing(
    harness: Harness, other: Script
) -> None:
    other.machine = "lxc"
    with pytest.raises(VerifyError, match=r"boot-finished: .*not booted from: lxc, a container"):
        harness.run()


@pytest.mark.parametrize(
    ("boot", "outcome", "said"),
    [
        (None, Outcome.UNKNOWN, "it was not tried"),
        (KernelBoot("qemu", "running"), Outcome.PASS, "also on qemu, emulated"),
        (KernelBoot("qemu", "degraded"), Outcome.FAIL, "the system is degraded on qemu, emulated"),
        (KernelBoot(trouble="no ssh"), Outcome.FAIL, "not with the image's own kernel: no ssh"),
        (KernelBoot(trouble="no room", is_known=False), Outcome.UNKNOWN, "no room"),
        (KernelBoot("qemu", ""), Outcome.FAIL, "the system is silent"),
    ],
)
def test_only_a_kernel_that_was_seen_to_boot_passes(
    boot: KernelBoot | None, outcome: Outcome, said: str
) -> None:
    script = Script(machine="systemd-nspawn", manifest={"boot_changed": True})
    obey(script, plan())
    subject = Subject(FakeGuest(LOGIN, script), plan(), plan().digest, script.machine, boot)
    (check,) = (check for check in list_checks(plan()) if check.name == "boot-finished")
    result = run_check(check, subject)
    assert result.outcome is outcome
    assert said in result.evidence
    assert UNKNOWN not in result.evidence
