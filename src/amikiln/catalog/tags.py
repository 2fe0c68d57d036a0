"""The tags on what amikiln makes, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from amikiln.model.plan import Plan
from amikiln.model.run import Run

TAG_IMAGE = "amikiln:image"
TAG_RUN = "amikiln:run"
TAG_DIGEST = "amikiln:digest"
TAG_EXPIRES = "amikiln:expires"
TAG_KEPT = "amikiln:kept"
TAG_VERDICT = "amikiln:verdict"
TAG_VERDICT_HASH = "amikiln:verdict-sha256"
TAG_FORCED = "amikiln:forced"
"""Why somebody published an image without proof."""


def can_be_taken_up(state: str, tags: Mapping[str, str]) -> bool:
    """Tell whether an image that a run left may become another run's of the same inputs.

    Args:
        state: The image's, as DescribeImages says it.
        tags: The image's.
    """
    return state in {"available", "pending"} and TAG_VERDICT not in tags


def tags_for(plan: Plan, run: Run) -> dict[str, str]:
    """Return the tags that everything of a run carries from its first moment on."""
    expires = datetime.now(UTC) + timedelta(minutes=plan.spec.deadlines.machine_minutes)
    return {
        TAG_IMAGE: run.image_name,
        TAG_RUN: run.id,
        TAG_DIGEST: plan.digest,
        TAG_EXPIRES: expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
