"""What verify finds out about an image: the result of each check, and the verdict."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import TypeAdapter

from amikiln.model.strict import STRICT


class Outcome(StrEnum):
    """What a check found; unknown is not a pass."""

    PASS = "pass"  # noqa: S105  (not a password)
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CheckResult:
    """One check of a machine that was booted from the image."""

    # No field has a default, so that reading a file fills in nothing that is missing.
    __pydantic_config__ = STRICT

    name: str
    """The check's name, in lower case with dashes."""
    outcome: Outcome
    """Unknown: the check could not run, or its answer could not be read."""
    evidence: str
    """What was seen, in words."""
    hint: str
    """What to do next; empty where there is nothing to do."""
    figures: Mapping[str, float] = field(hash=False)
    """What was measured, as finite numbers; the unit is in the name, as in cold_seconds."""

    def __post_init__(self) -> None:
        # Always a float: 5 and 5.0 are equal, and should look the same in the file.
        figures = {name: float(value) for name, value in self.figures.items()}
        if not all(math.isfinite(value) for value in figures.values()):
            raise ValueError(f"check {self.name} gave a figure that is not a number: {figures}")
        object.__setattr__(self, "figures", figures)


@dataclass(frozen=True)
class Verdict:
    """What verify found out about one image."""

    __pydantic_config__ = STRICT

    image_id: str
    """The AMI that was booted and checked."""
    digest: str
    """SHA-256 of what entered its disk, as tagged on the AMI."""
    proof_digest: str
    """SHA-256 of what was proven: the checks, their bounds, the machine, amikiln's version."""
    plan_sha256: str
    """SHA-256 of the plan's file, whether it was written or not."""
    region: str
    """The AWS region of the AMI."""
    run_id: str
    """The run that verified it."""
    machine: str
    """What it was booted on, as that machine says: "qemu" if emulated, else the answer of
    systemd-detect-virt(1), such as "amazon", "kvm" or "systemd-nspawn"; "unknown" without one."""
    outcome: Outcome
    """Pass: there are checks, and all passed. Fail: one failed. Else unknown."""
    checks: tuple[CheckResult, ...]
    """All checks, in the order in which they ran."""
    not_asked: Mapping[str, str] = field(hash=False)
    """Checks that the spec does not ask for, by name, and why: nothing shows what they would."""
    verified_at: str
    """When, in UTC, as ISO 8601 writes it."""
    amikiln_version: str
    """The version of amikiln that verified it."""

    def __post_init__(self) -> None:
        if self.outcome is not (concluded := conclude(self.checks)):
            raise ValueError(f"outcome is {self.outcome}, and its checks make it {concluded}")


def conclude(checks: Sequence[CheckResult]) -> Outcome:
    """Return pass only if every check passed, and there was at least one."""
    outcomes = {check.outcome for check in checks}
    if outcomes == {Outcome.PASS}:
        return Outcome.PASS
    return Outcome.FAIL if Outcome.FAIL in outcomes else Outcome.UNKNOWN


ADAPTER = TypeAdapter(Verdict)


@dataclass(frozen=True)
class VerdictFile:
    """A verdict with the bytes of its file, which are written and hashed as they are."""

    verdict: Verdict
    content: bytes

    @property
    def sha256(self) -> str:
        """The file's hash, as ``sha256sum`` prints it; it is tagged on the image."""
        return hashlib.sha256(self.content).hexdigest()


def serialize(verdict: Verdict) -> VerdictFile:
    """Return the verdict's file: JSON on one line."""
    return VerdictFile(verdict, ADAPTER.dump_json(verdict) + b"\n")
