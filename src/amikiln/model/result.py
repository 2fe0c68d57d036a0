"""What a run did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amikiln.model.fleet import FleetGroup
from amikiln.model.image import Image, PublishResult
from amikiln.model.plan import Plan
from amikiln.model.run import Run
from amikiln.model.verdict import Verdict


@dataclass(frozen=True)
class RunResult:
    """What one run did.

    Attributes:
        run: The run.
        plan: What it was to do.
        image: The image that is published now.
        verdict: What this run found out about the image; None: verify was skipped.
        published: The pointer.
        turnover: The groups that follow it. People parse this key of ``--json``: it keeps its name.
        seconds: How long each stage took that ran, in their order.
        skipped: The stages that did not run.
        because: Why they did not; empty where none was skipped.
        missing_groups: What of [fleet] there is not; allowed with the pointer's first version only.
    """

    run: Run
    plan: Plan
    image: Image
    verdict: Verdict | None
    published: PublishResult
    turnover: tuple[FleetGroup, ...]
    seconds: Mapping[str, float]
    skipped: tuple[str, ...]
    because: str
    missing_groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class BakeResult:
    """What a run did that only baked.

    Attributes:
        run: The run.
        digest: SHA-256 of the inputs.
        image: The image, which nothing has verified yet.
        seconds: How long each stage took that ran, in their order.
    """

    run: Run
    digest: str
    image: Image
    seconds: Mapping[str, float]
