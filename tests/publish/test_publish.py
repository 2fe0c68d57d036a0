"""Publish: nothing but a proven image, and nothing without the lease."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from amikiln.catalog import lease
from amikiln.catalog.tags import (
    TAG_DIGEST,
    TAG_PROOF,
    TAG_VERDICT,
    TAG_VERDICT_HASH,
)
from amikiln.errors import LeaseError, PublishError
from amikiln.model.image import Image
from amikiln.model.verdict import Outcome, VerdictFile, conclude, serialize
from amikiln.publish.proof import read_verdict
from amikiln.publish.publish import publish
from amikiln.recipe.digest import hash_proof
from fakes import spec
from harness import POINTER, Harness
from publish.publishing import publish_it
from verdicts import check_result


def changed(written: VerdictFile, **changes: Any) -> VerdictFile:
    return serialize(dataclasses.replace(written.verdict, **changes))


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
