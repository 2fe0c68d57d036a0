"""Publish: nothing but a proven image, and nothing without the lease."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from amikiln import pipeline
from amikiln.catalog import lease
from amikiln.catalog.tags import (
    TAG_DIGEST,
    TAG_FORCED,
    TAG_IMAGE,
    TAG_PROOF,
    TAG_VERDICT,
    TAG_VERDICT_HASH,
)
from amikiln.errors import AmikilnError, LeaseError, PublishError
from amikiln.model.image import ForceReason, Image
from amikiln.model.verdict import Outcome, VerdictFile, conclude, serialize
from amikiln.publish.proof import read_verdict
from amikiln.publish.publish import publish
from amikiln.recipe.digest import hash_proof
from amikiln.report.status import read_status
from fakes import spec
from harness import POINTER, Harness
from localcloud.fixture import CloudFixture
from verdicts import check_result


@pytest.fixture
def our_lease(harness: Harness) -> Iterator[lease.Lease]:
    run, report = pipeline.new_run("cpu-build"), harness.report
    with ExitStack() as stack:
        yield stack.enter_context(
            lease.hold_lease(harness.session.cloud.parameters, "/amikiln/x/lease", run, 60, report)
        )


@pytest.fixture
def proven(harness: Harness) -> tuple[Image, VerdictFile]:
    """An image that a cycle proved; the pointer is taken away again."""
    done = harness.run()
    harness.ssm.delete_parameter(Name=POINTER)
    return done.image, read_verdict(harness.folder / "verdict.json")


def publish_it(
    harness: Harness, our_lease: lease.Lease, image: Image, proof: VerdictFile | ForceReason
) -> Any:
    return publish(proof, image, spec(), hash_proof(spec(), {}), our_lease, harness.session)


def changed(written: VerdictFile, **changes: Any) -> VerdictFile:
    return serialize(dataclasses.replace(written.verdict, **changes))


def tags_of(harness: Harness, image: Image) -> dict[str, str]:
    (found,) = harness.ec2.describe_images(ImageIds=[image.id])["Images"]
    return {tag["Key"]: tag["Value"] for tag in found["Tags"]}


def test_a_proven_image_is_published(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    image, verdict = proven
    published = publish_it(harness, our_lease, image, verdict)
    assert (published.version, published.previous_image_id) == (1, None)
    assert harness.pointer() == image.id


def test_publishing_twice_writes_once(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    first = publish_it(harness, our_lease, *proven)
    assert publish_it(harness, our_lease, *proven).version == first.version


def test_a_pointer_that_was_put_by_hand_as_text_is_refused_and_taken_as_text(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    image, verdict = proven
    harness.ssm.put_parameter(Name=POINTER, Value="ami-by-hand", Type="String")
    with pytest.raises(PublishError, match="has the data type text, which AWS cannot change"):
        publish_it(harness, our_lease, image, verdict)
    assert harness.pointer() == "ami-by-hand"
    as_text = spec(publish={"parameter": POINTER, "data_type": "text"})
    today = hash_proof(as_text, {})
    published = publish(verdict, image, as_text, today, our_lease, harness.session)
    assert (published.version, published.previous_image_id) == (2, "ami-by-hand")


def test_a_verdict_about_another_image_is_refused(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    image, verdict = proven
    with pytest.raises(PublishError, match="the verdict is about"):
        publish_it(harness, our_lease, dataclasses.replace(image, id="ami-other"), verdict)
    with pytest.raises(PublishError, match="the verdict is about inputs"):
        publish_it(harness, our_lease, dataclasses.replace(image, digest="other"), verdict)
    assert harness.pointer() is None


def test_a_verdict_about_an_image_of_another_region_is_refused(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    image, verdict = proven
    elsewhere = changed(verdict, region="us-west-2")
    harness.session.cloud.images.tag(image.id, {TAG_VERDICT_HASH: elsewhere.sha256})
    with pytest.raises(PublishError, match=f"{image.id} in us-west-2, not about .* in us-east-1"):
        publish_it(harness, our_lease, image, elsewhere)
    assert harness.pointer() is None


@pytest.mark.parametrize("outcome", [Outcome.FAIL, Outcome.UNKNOWN])
def test_a_verdict_that_is_no_pass_is_refused(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile], outcome: Outcome
) -> None:
    image, verdict = proven
    checks = (*verdict.verdict.checks, check_result("more", outcome))
    with pytest.raises(PublishError, match="not proven"):
        publish_it(
            harness, our_lease, image, changed(verdict, checks=checks, outcome=conclude(checks))
        )
    assert harness.pointer() is None


def test_a_passing_verdict_that_was_made_up_is_refused(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    image, verdict = proven
    made_up = changed(verdict, checks=(check_result("any", Outcome.PASS, "sure"),))
    with pytest.raises(PublishError, match="do not carry this verdict"):
        publish_it(harness, our_lease, image, made_up)


@pytest.mark.parametrize("tag", [TAG_VERDICT, TAG_VERDICT_HASH, TAG_DIGEST, TAG_PROOF])
@pytest.mark.parametrize("value", [None, "fail"], ids=["removed", "changed"])
def test_a_tag_that_was_removed_or_changed_is_refused(
    harness: Harness,
    our_lease: lease.Lease,
    proven: tuple[Image, VerdictFile],
    tag: str,
    value: str | None,
) -> None:
    image, verdict = proven
    if value is None:
        harness.ec2.delete_tags(Resources=[image.id], Tags=[{"Key": tag}])
    else:
        harness.session.cloud.images.tag(image.id, {tag: value})
    with pytest.raises(PublishError, match=f"do not carry this verdict: {tag}"):
        publish_it(harness, our_lease, image, verdict)
    assert harness.pointer() is None


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


def test_nothing_is_written_without_the_lease(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    harness.session.cloud.parameters.create("/amikiln/x/lease/2", our_lease._term.to_json())
    with pytest.raises(LeaseError, match="took over"):
        publish_it(harness, our_lease, *proven)
    assert harness.pointer() is None


def test_a_write_by_somebody_else_in_between_is_told(
    harness: Harness,
    our_lease: lease.Lease,
    proven: tuple[Image, VerdictFile],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameters = harness.session.cloud.parameters
    put = parameters.put

    def put_and_be_overtaken(name: str, value: str, **options: Any) -> int:
        version = put(name, value, **options)
        harness.ssm.put_parameter(Name=name, Value="ami-0aaaaaaaaaaaaaaaa", Overwrite=True)
        return version

    monkeypatch.setattr(parameters, "put", put_and_be_overtaken)
    with pytest.raises(PublishError, match="by somebody else"):
        publish_it(harness, our_lease, *proven)


def test_a_verdict_that_proves_something_else_than_is_asked_for_today_is_refused(
    harness: Harness, our_lease: lease.Lease, proven: tuple[Image, VerdictFile]
) -> None:
    image, written = proven
    stricter = spec(verify={"minimum_free_gib": 9})
    for today in (hash_proof(stricter, {}), hash_proof(spec(), {"models": b"true\n"})):
        with pytest.raises(PublishError, match="proves something else") as caught:
            publish(written, image, spec(), today, our_lease, harness.session)
        assert "`amikiln verify`" in (caught.value.hint or "")
    assert harness.pointer() is None


def test_a_verdict_from_before_there_was_a_proof_digest_is_refused_and_not_an_accident(
    harness: Harness, proven: tuple[Image, VerdictFile]
) -> None:
    _, written = proven
    older = json.loads(written.content)
    del older["proof_digest"]
    file = harness.folder / "older.json"
    file.write_text(json.dumps(older))
    with pytest.raises(PublishError, match="proof_digest") as caught:
        read_verdict(file)
    assert "verify again" in (caught.value.hint or "")
