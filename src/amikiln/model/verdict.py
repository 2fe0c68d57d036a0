"""The records that stages hand to each other. Frozen: what is planned once stays as planned."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import ConfigDict

from amikiln import __version__
from amikiln.model.canonical import canonical_json

READ_STRICTLY = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)
"""How records are read back from files, and described in a schema."""


class Outcome(StrEnum):
    """What a check found; unknown is not a pass."""

    PASS = "pass"  # noqa: S105  (not a password)
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CheckResult:
    """One check of a machine that was booted from a candidate."""

    __pydantic_config__ = READ_STRICTLY

    name: str
    """The check's, in lower case with dashes."""
    outcome: Outcome
    """Unknown: it could not be carried out, or its answer could not be read."""
    evidence: str
    """What was seen, in words."""
    hint: str = ""
    """What to do next; empty where there is nothing to do."""
    figures: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What was measured, as finite numbers; the unit is in the name, as in cold_seconds."""

    def __post_init__(self) -> None:
        # Always a float: 5 and 5.0 are equal, and would be written, and hashed, as two.
        figures = {name: float(value) for name, value in self.figures.items()}
        if not all(math.isfinite(value) for value in figures.values()):
            raise ValueError(f"check {self.name} gave a figure that is no number: {figures}")
        object.__setattr__(self, "figures", figures)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Verdict:
    """What verify found out about one image."""

    __pydantic_config__ = READ_STRICTLY

    image_id: str
    """The AMI that was booted and looked at."""
    digest: str
    """SHA-256 over all inputs of its bake, as tagged on the AMI."""
    region: str
    """The AWS region of the AMI."""
    run_id: str
    """The run that verified it."""
    checks: tuple[CheckResult, ...]
    """All checks, in the order in which they were carried out."""
    verified_at: str = field(default_factory=_now)
    """When, in UTC, as ISO 8601 writes it."""
    amikiln_version: str = __version__
    """The version of amikiln that verified it."""

    @property
    def outcome(self) -> Outcome:
        """Pass only if every check passed, and there was one at all."""
        found = {check.outcome for check in self.checks}
        if found == {Outcome.PASS}:
            return Outcome.PASS
        return Outcome.FAIL if Outcome.FAIL in found else Outcome.UNKNOWN

    def to_json(self) -> str:
        """Return the form that is kept: one line. Its SHA-256 is tagged on the image."""
        return canonical_json({**asdict(self), "outcome": self.outcome}) + "\n"

    @property
    def sha256(self) -> str:
        """The kept file's hash, as ``sha256sum`` prints it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()
