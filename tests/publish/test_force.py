"""An image without proof is published by force alone, with a reason that is recorded first."""

from __future__ import annotations

from typing import Any

import pytest

from amikiln.catalog import lease
from amikiln.catalog.tags import (
    TAG_FORCED,
    TAG_IMAGE,
    TAG_VERDICT,
)
from amikiln.errors import AmikilnError, LeaseError, PublishError
from amikiln.model.image import ForceReason, Image
from amikiln.model.verdict import VerdictFile
from amikiln.report.status import read_status
from fakes import spec
from harness import Harness
from localcloud.fixture import CloudFixture
from publish.publishing import publish_it, tags_of


def refused_either_way(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile], why: str
) -> None:
    """Try to publish an image with its verdict and by force, and see nothing move."""
    image, verdict = proven
    for proof in (verdict, ForceReason(image.id, "urgent")):
        with pytest.raises(AmikilnError, match=why):
            publish_it(harness, our_lease, image, proof)
    assert harness.pointer() is None


def test_an_image_of_another_spec_is_refused_with_and_without_force(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    image, _ = proven
    harness.session.cloud.images.tag(image.id, {TAG_IMAGE: "gpu-build"})
    refused_either_way(harness, our_lease, proven, r"not an image of cpu-build: .* gpu-build")
    assert TAG_FORCED not in tags_of(harness, image)


@pytest.mark.parametrize("state", ["pending", "failed", "disabled"])
def test_an_image_that_is_not_available_is_refused_with_and_without_force(
    harness: Harness,
    cloud: CloudFixture,
    our_lease: lease.Lease,
    proven: tuple[Image, VerdictFile],
    state: str,
) -> None:
    image, _ = proven
    cloud.backend.amis[image.id].state = state
    refused_either_way(harness, our_lease, proven, f"{image.id} in us-east-1 is {state}")


def test_an_image_that_is_gone_is_refused_with_and_without_force(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    image, _ = proven
    harness.ec2.deregister_image(ImageId=image.id)
    refused_either_way(harness, our_lease, proven, f"no image {image.id}")


def test_a_forced_image_needs_no_proof_and_status_shows_the_reason(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    image, _ = proven
    harness.session.cloud.images.tag(image.id, {TAG_VERDICT: "fail"})
    published = publish_it(
        harness, our_lease, image, ForceReason(image.id, "  the old one has a hole  ")
    )
    assert published.forced == "the old one has a hole"
    assert harness.pointer() == image.id
    (line,) = read_status(spec(), harness.session).images
    assert (line.forced, line.verdict, line.published) == ("the old one has a hole", "fail", True)


def test_the_reason_is_recorded_before_the_pointer_moves(
    harness: Harness,
    our_lease: lease.Lease,
    proven: tuple[Image, VerdictFile],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image, _ = proven
    recorded: list[str | None] = []

    def look_and_break(name: str, value: str, **options: Any) -> int:
        recorded.append(tags_of(harness, image).get(TAG_FORCED))
        raise PublishError("no further")

    monkeypatch.setattr(harness.session.cloud.parameters, "put", look_and_break)
    with pytest.raises(PublishError, match="no further"):
        publish_it(harness, our_lease, image, ForceReason(image.id, "urgent"))
    monkeypatch.undo()
    assert recorded == ["urgent"]
    assert harness.pointer() is None


def test_a_reason_that_cannot_be_recorded_publishes_nothing(
    harness: Harness,
    our_lease: lease.Lease,
    proven: tuple[Image, VerdictFile],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(image_id: str, tags: object) -> None:
        raise PublishError("no tag today")

    image, _ = proven
    monkeypatch.setattr(harness.session.cloud.images, "tag", refuse)
    with pytest.raises(PublishError, match="no tag today"):
        publish_it(harness, our_lease, image, ForceReason(image.id, "urgent"))
    assert harness.pointer() is None


def test_a_reason_for_another_image_is_refused(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    image, _ = proven
    with pytest.raises(PublishError, match="the reason is about ami-other"):
        publish_it(harness, our_lease, image, ForceReason("ami-other", "urgent"))
    assert harness.pointer() is None


def test_force_takes_nobody_elses_lease(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    image, _ = proven
    harness.session.cloud.parameters.create("/amikiln/x/lease/2", our_lease._term.to_json())
    with pytest.raises(LeaseError, match="took over"):
        publish_it(harness, our_lease, image, ForceReason(image.id, "urgent"))
    assert TAG_FORCED not in tags_of(harness, image)
    assert harness.pointer() is None
