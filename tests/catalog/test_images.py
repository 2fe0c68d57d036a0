"""Candidates: which image makes a bake needless, and which may be published at all."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from amikiln.aws.images import ImageRecord
from amikiln.catalog import images
from amikiln.catalog.tags import TAG_FORCED, TAG_VERDICT
from amikiln.model.plan import Plan
from harness import POINTER, Harness
from localcloud.fixture import CloudFixture

CREATED = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
ONE_HOUR = timedelta(hours=1)


class BenchImage:
    """An image that a cycle proved and published, created at 6 o'clock."""

    def __init__(self, harness: Harness, cloud: CloudFixture) -> None:
        self.harness = harness
        self.cycle = harness.run()
        self.id = self.cycle.image.id
        self.ami = cloud.backend.amis[self.id]
        recorded = harness.session.cloud.images
        self.record = dataclasses.replace(
            recorded.find_by_tags({})[0], created=CREATED.isoformat().replace("+00:00", ".000Z")
        )

    def found_after(self, age: timedelta, **changes: object) -> images.ProvenImage | None:
        """Return what is found when the image is of an age, and its record changed."""
        record = dataclasses.replace(self.record, **changes)  # type: ignore[arg-type]
        listed, session = [images.CatalogImage(record)], self.harness.session
        return images.find_proven(self.cycle.plan, listed, session, CREATED + age)


@pytest.fixture
def proven(harness: Harness, cloud: CloudFixture) -> BenchImage:
    return BenchImage(harness, cloud)


def find(harness: Harness, plan: Plan) -> images.ProvenImage | None:
    listed = images.list_images(plan.spec.name, harness.session)
    return images.find_proven(plan, listed, harness.session)


def test_a_young_proven_image_of_the_same_inputs_is_found(proven: BenchImage) -> None:
    found = find(proven.harness, proven.cycle.plan)
    assert found is not None
    assert found.image == proven.cycle.image
    assert timedelta(0) <= found.age < ONE_HOUR
    assert found.published is not None
    assert found.published.version == proven.cycle.published.version


def test_whether_the_pointer_names_it_is_told(proven: BenchImage) -> None:
    proven.harness.ssm.put_parameter(Name=POINTER, Value="ami-0aaaaaaaaaaaaaaaa", Overwrite=True)
    found = find(proven.harness, proven.cycle.plan)
    assert found is not None
    assert found.published is None
    proven.harness.ssm.delete_parameter(Name=POINTER)
    found = find(proven.harness, proven.cycle.plan)
    assert found is not None
    assert found.published is None


def test_an_age_up_to_the_specs_is_young_and_the_specs_own_is_not(proven: BenchImage) -> None:
    longest = timedelta(hours=proven.cycle.plan.spec.max_age_hours)
    assert longest == 20 * ONE_HOUR
    found = proven.found_after(longest - timedelta(milliseconds=1))
    assert found is not None
    assert found.age == longest - timedelta(milliseconds=1)
    assert proven.found_after(timedelta(0)) is not None
    assert proven.found_after(longest) is None
    assert proven.found_after(longest + ONE_HOUR) is None


@pytest.mark.parametrize(
    "created", ["", "yesterday", "2026-11-24", "2026-11-24T06:00:00", "2026-13-24T06:00:00Z"]
)
def test_an_image_whose_age_cannot_be_told_is_not_young(proven: BenchImage, created: str) -> None:
    assert proven.found_after(ONE_HOUR) is not None
    assert proven.found_after(ONE_HOUR, created=created) is None


def test_an_image_of_the_future_is_not_young(proven: BenchImage) -> None:
    assert proven.found_after(-timedelta(seconds=1)) is None


@pytest.mark.parametrize("state", ["pending", "failed", "disabled", "error", "invalid"])
def test_an_image_that_is_not_available_is_none(proven: BenchImage, state: str) -> None:
    proven.ami.state = state
    assert find(proven.harness, proven.cycle.plan) is None


@pytest.mark.parametrize("verdict", ["fail", "unknown", "PASS", ""])
def test_an_image_with_another_verdict_is_none(proven: BenchImage, verdict: str) -> None:
    proven.harness.session.cloud.images.tag(proven.id, {TAG_VERDICT: verdict})
    assert find(proven.harness, proven.cycle.plan) is None


def test_an_image_without_a_verdict_is_none(proven: BenchImage) -> None:
    proven.harness.ec2.delete_tags(Resources=[proven.id], Tags=[{"Key": TAG_VERDICT}])
    assert find(proven.harness, proven.cycle.plan) is None


def test_an_image_that_was_published_without_proof_is_none(proven: BenchImage) -> None:
    proven.harness.session.cloud.images.tag(proven.id, {TAG_FORCED: "urgent"})
    assert find(proven.harness, proven.cycle.plan) is None


def test_an_image_of_other_inputs_or_of_another_spec_is_none(proven: BenchImage) -> None:
    plan = proven.cycle.plan
    assert find(proven.harness, dataclasses.replace(plan, digest="e" * 64)) is None
    other = plan.spec.model_copy(update={"name": "gpu-build"})
    assert find(proven.harness, dataclasses.replace(plan, spec=other)) is None


def test_of_several_the_newest_that_will_do_is_found(proven: BenchImage) -> None:
    harness, plan = proven.harness, proven.cycle.plan

    def found_of(*records: ImageRecord) -> str | None:
        listed = [images.CatalogImage(record) for record in records]
        found = images.find_proven(plan, listed, harness.session, CREATED + ONE_HOUR)
        return found.image.id if found else None

    newer = dataclasses.replace(proven.record, id="ami-newer")
    failed = dataclasses.replace(newer, tags={**newer.tags, TAG_VERDICT: "fail"})
    assert found_of(newer, proven.record) == "ami-newer"
    assert found_of(failed, proven.record) == proven.id
    assert found_of(failed) is None


def test_an_image_that_proved_something_else_has_only_to_be_verified(proven: BenchImage) -> None:
    harness, plan = proven.harness, proven.cycle.plan
    assert find(harness, plan) is not None
    listed = images.list_images(plan.spec.name, harness.session)
    assert images.find_reusable(plan, listed) is None
    other = dataclasses.replace(plan, proof_digest="e" * 64)
    assert find(harness, other) is None
    found = images.find_reusable(other, listed)
    assert found is not None
    assert found.id == proven.id
    assert found.stays


def test_an_image_that_proved_something_else_counts_only_while_it_is_young(
    proven: BenchImage,
) -> None:
    other = dataclasses.replace(proven.cycle.plan, proof_digest="e" * 64)
    image = images.CatalogImage(proven.record)
    longest = timedelta(hours=other.spec.max_age_hours)
    assert image.is_reusable_for(other, CREATED + longest - timedelta(milliseconds=1))
    assert not image.is_reusable_for(other, CREATED + longest)
    assert not image.is_reusable_for(dataclasses.replace(other, digest="e" * 64), CREATED)
    lost = images.CatalogImage(dataclasses.replace(proven.record, state="failed"))
    assert not lost.is_reusable_for(other, CREATED)
