"""The tags on what amikiln makes. No other room names one of them, or reads one.

Whoever makes something asks for its tags here; whoever looks for something asks for the tags to
look for. What an image's tags mean for it is said in ``states``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from amikiln.model.run import Run

TAG_IMAGE = "amikiln:image"
"""The name of the spec that something was made for."""
TAG_RUN = "amikiln:run"
TAG_DIGEST = "amikiln:digest"
"""The digest of what enters a disk."""
TAG_USED = "amikiln:used-gib"
"""How much of its disk an image used at the end of its bake, in GiB."""
TAG_EXPIRES = "amikiln:expires"
TAG_KEPT = "amikiln:kept"
"""An instance that ``--keep-on-error`` left for somebody to look at."""
TAG_BOOT, BOOT_KERNEL = "amikiln:boot", "kernel"
"""On a machine: asks a cloud whose machines may be containers for one that boots
the image's own kernel. On EC2 every machine does."""
TAG_VERDICT = "amikiln:verdict"
TAG_VERDICT_HASH = "amikiln:verdict-sha256"
TAG_PROOF = "amikiln:proof"
"""The digest of what the verdict proves."""
TAG_NOT_ASKED, NOTHING = "amikiln:not-asked", "-"
"""The checks that the verdict does not speak of, since the spec does not ask for them."""
TAG_FORCED = "amikiln:forced"
"""Why somebody published an image without proof."""

KEPT_BY = "by --keep-on-error"


def tags_for_spec(name: str) -> dict[str, str]:
    """Return the tags that everything made for a spec carries.

    Args:
        name: The spec's name.
    """
    return {TAG_IMAGE: name}


def tags_for_run(run: Run, digest: str, machine_minutes: int) -> dict[str, str]:
    """Return the tags that a run gives to everything that it makes, in the call that makes it.

    Args:
        run: The run.
        digest: Of what enters the disk.
        machine_minutes: How long a machine of the run lives at most.
    """
    expires = datetime.now(UTC) + timedelta(minutes=machine_minutes)
    return {
        **tags_for_spec(run.image_name),
        TAG_DIGEST: digest,
        TAG_RUN: run.id,
        TAG_EXPIRES: expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def tags_of_content(used_gib: float) -> dict[str, str]:
    """Return the tags that say what is on an image's disk.

    Args:
        used_gib: How much of it is in use.
    """
    return {TAG_USED: f"{used_gib:.1f}"}


def tags_of_run(run_id: str) -> dict[str, str]:
    """Return the tags by which everything that a run made is found."""
    return {TAG_RUN: run_id}


def tags_of_kept_instance() -> dict[str, str]:
    """Return the tags that keep an instance, with its key pair and group, from being swept."""
    return {TAG_KEPT: KEPT_BY}


def tags_that_ask_for_a_kernel() -> dict[str, str]:
    """Return the tags of a machine that has to boot the image's own kernel."""
    return {TAG_BOOT: BOOT_KERNEL}


def asks_for_a_kernel(tags: Mapping[str, str]) -> bool:
    """Tell whether a machine with these tags has to boot the image's own kernel."""
    return tags.get(TAG_BOOT) == BOOT_KERNEL


def run_of(tags: Mapping[str, str]) -> str | None:
    """Return the id of the run that made something; None: no run of ours did."""
    return tags.get(TAG_RUN)


def is_kept_instance(tags: Mapping[str, str]) -> bool:
    """Tell whether an instance was left for somebody to look at."""
    return TAG_KEPT in tags
