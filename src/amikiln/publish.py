"""Publish: the pointer names the image that has proven itself, and no other."""

from __future__ import annotations

from amikiln.aws.parameters import Parameter
from amikiln.errors import PublishError
from amikiln.lease import Lease
from amikiln.model import TAG_VERDICT, TAG_VERDICT_HASH, Image, Outcome, Plan, Published, Verdict
from amikiln.toolbox import Toolbox

READ_BACK_SECONDS = 120


def publish(verdict: Verdict, image: Image, plan: Plan, lease: Lease, tools: Toolbox) -> Published:
    """Write the image's id to the pointer and read it back until it is there.

    Args:
        verdict: Has to be a pass, of this very image and its inputs.
        image: What to publish.
        plan: Names the pointer.
        lease: Checked before the write.
        tools: Where to write.

    Raises:
        PublishError: The verdict does not allow it, or the value did not arrive.
        LeaseError: Another run has taken over.
    """
    _require_proof(verdict, image, tools)
    parameters, name = tools.cloud.parameters, plan.spec.pointer
    before = parameters.get(name)
    if before is not None and before.value == image.id:
        return Published(name, before.version, image.id, None)
    lease.check()
    version = parameters.put(name, image.id, data_type=plan.spec.publish.data_type)

    def arrived() -> Parameter | None:
        now = parameters.get(name)
        if now is not None and now.version > version:
            raise PublishError(
                f"{name} was written by somebody else meanwhile: version {now.version} is"
                f" {now.value}",
                hint="find out who writes this parameter besides amikiln",
            )
        return now if now is not None and now.value == image.id else None

    tools.waiter.until(
        arrived, what=f"{name} to read back as {image.id}", deadline_seconds=READ_BACK_SECONDS
    )
    previous = before.value if before is not None else None
    tools.report.line(f"{name} is {image.id} (version {version}; before: {previous or 'nothing'})")
    return Published(name, version, image.id, previous)


def _require_proof(verdict: Verdict, image: Image, tools: Toolbox) -> None:
    if (verdict.image_id, verdict.digest) != (image.id, image.digest):
        raise PublishError(
            f"the verdict is about {verdict.image_id}, not about {image.id}",
            hint="verify this very image",
        )
    if verdict.outcome is not Outcome.PASS:
        raise PublishError(
            f"{image.id} is not proven: its verdict is {verdict.outcome}",
            hint="correct what the verdict names, and run again",
        )
    record = tools.cloud.images.get(image.id)
    tags = record.tags if record is not None else {}
    if (tags.get(TAG_VERDICT), tags.get(TAG_VERDICT_HASH)) != (Outcome.PASS, verdict.sha256):
        raise PublishError(
            f"the tags of {image.id} do not carry this verdict",
            hint="it was verified again, or its tags were changed: verify it once more",
        )
