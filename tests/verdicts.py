"""Verdicts to try things with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from amikiln.model.verdict import CheckResult, Outcome, Verdict, conclude


def check_result(
    name: str = "boot-finished",
    outcome: Outcome = Outcome.PASS,
    evidence: str = "seen",
    *,
    hint: str = "",
    figures: Mapping[str, float] | None = None,
) -> CheckResult:
    """Return the result of one check."""
    return CheckResult(name, outcome, evidence, hint, figures or {})


def verdict(*checks: CheckResult, **fields: Any) -> Verdict:
    """Return a verdict of these checks, with the outcome that they lead to."""
    wanted: dict[str, Any] = {
        "image_id": "ami-1",
        "digest": "d" * 64,
        "proof_digest": "e" * 64,
        "plan_sha256": "f" * 64,
        "region": "us-east-1",
        "run_id": "run-1",
        "machine": "amazon",
        "outcome": conclude(checks),
        "checks": checks,
        "not_asked": {},
        "verified_at": "2026-11-24T06:00:00+00:00",
        "amikiln_version": "0.0.1",
    }
    return Verdict(**{**wanted, **fields})
