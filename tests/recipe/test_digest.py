"""One digest over all inputs, and a plan of today with an image's own digests."""

from __future__ import annotations

import dataclasses

import pytest

from amikiln.model.plan import Context, PinnedImage, Plan
from amikiln.recipe import digest, render
from fakes import plan

GIT = {"warm": {"context": "https://example.org/a.git#main", "dockerfile": "Dockerfile"}}


def moved(planned: Plan) -> Plan:
    """Return the plan as it is when every tag and branch has moved."""
    context = planned.context
    if context is not None and context.repository is not None:
        context = dataclasses.replace(context, identity=f"commit:{'b' * 40}")
    return digest.digested(
        dataclasses.replace(
            planned,
            images=tuple(PinnedImage(i.reference, f"sha256:{'f' * 64}") for i in planned.images),
            buildkit=PinnedImage(planned.buildkit.reference, f"sha256:{'e' * 64}"),
            source=dataclasses.replace(planned.source, id="ami-0fedcba9876543210"),
            context=context,
        )
    )


def of_git() -> Plan:
    context = Context(f"commit:{'a' * 40}", plan().context.folder, "https://example.org/a.git")  # type: ignore[union-attr]
    return digest.digested(dataclasses.replace(plan(**GIT), context=context))


@pytest.mark.parametrize("planned", [plan(), of_git(), plan(warm=None)])
def test_an_images_own_digests_lead_back_to_its_plan(planned: Plan) -> None:
    today = moved(planned)
    assert today.digest != planned.digest
    assert digest.as_baked(today, render.describe_plan(planned)) == planned


def test_another_spec_stays_another() -> None:
    today = moved(plan(deprecate_days=8))
    assert digest.as_baked(today, render.describe_plan(plan())).digest != plan().digest


def test_a_folder_is_what_it_is_today() -> None:
    changed = Context(f"sha256:{'9' * 64}", plan().context.folder, None)  # type: ignore[union-attr]
    today = digest.digested(dataclasses.replace(moved(plan()), context=changed))
    back = digest.as_baked(today, render.describe_plan(plan()))
    assert back.context == changed
    assert back.digest != plan().digest


@pytest.mark.parametrize("planned", [{}, {"images": 5}, {"images": {}, "buildkit": 7}])
def test_what_is_no_manifest_is_refused(planned: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError)):
        digest.as_baked(plan(), planned)
