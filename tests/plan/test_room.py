"""What an image needs of its volume: estimated from manifests before anything is made."""

from __future__ import annotations

import dataclasses

import pytest

from amikiln.errors import PreflightError
from amikiln.model.plan import Layer, PinnedImage, Plan
from amikiln.model.run import Run
from amikiln.plan.preflight import preflight
from amikiln.plan.resolve import plan as make_plan
from amikiln.plan.room import GIB, estimate_room, find_room_fault
from fakes import pin, plan, spec
from harness import Harness

RUN = Run("cpu-build-20261124-060000-0a1b2c", "cpu-build")
BASE = Layer("sha256:base", GIB, 3 * GIB)
ONE = Layer("sha256:one", GIB // 2, 3 * GIB // 2)
TWO = Layer("sha256:two", 2 * GIB, 6 * GIB)


def with_layers(planned: Plan, *images: tuple[Layer, ...], builder: tuple[Layer, ...] = ()) -> Plan:
    return dataclasses.replace(
        planned,
        images=tuple(
            PinnedImage(f"host/image-{number}:1", f"sha256:{number}", layers)
            for number, layers in enumerate(images)
        ),
        buildkit=dataclasses.replace(planned.buildkit, layers=builder),
    )


def test_layers_that_images_share_count_once_stored_and_unpacked() -> None:
    room = estimate_room(with_layers(plan(), (BASE, ONE), (BASE, TWO), builder=(BASE,)))
    assert room.images_gib == (1 + 3) + (0.5 + 1.5) + (2 + 6)
    assert (room.source_gib, room.volume_gib) == (4, 12)
    assert room.free_gib == 5 + 3 + 6  # verify's, and the second image once more
    assert room.needed_gib == 4 + 14 + 14
    assert (room.fits, room.unknown) == (False, ())


@pytest.mark.parametrize(("size_gib", "fits"), [(32, True), (31, False)])
def test_what_cannot_fit_is_a_fault_with_its_parts(size_gib: int, fits: bool) -> None:
    planned = plan(volume={"size_gib": size_gib})
    fault = find_room_fault(with_layers(planned, (BASE, ONE), (BASE, TWO), builder=(BASE,)))
    assert (fault is None) is fits
    if fault is not None:
        assert "volume.size_gib is too small: the image needs 32.0 GiB of 31" in fault
        assert "source image 4, images 14.0 (by their manifests)" in fault
        assert "free for jobs 14.0" in fault


def test_images_of_unknown_size_are_named_and_not_taken_for_nothing() -> None:
    room = estimate_room(with_layers(plan(), (BASE,), ()))
    assert room.unknown == ("host/image-1:1", "moby/buildkit:v0.26.3")
    assert "not known: the size of host/image-1:1, moby/buildkit:v0.26.3" in room.describe()


@pytest.mark.parametrize(
    ("volume_gib", "used_gib", "counted"),
    [(8, None, 8), (20, None, None), (20, 3.5, 3.5), (8, 3.5, 3.5)],
)
def test_a_source_image_counts_with_what_it_uses_or_with_a_small_volume(
    volume_gib: int, used_gib: float | None, counted: float | None
) -> None:
    source = dataclasses.replace(plan().source, volume_gib=volume_gib, used_gib=used_gib)
    planned = dataclasses.replace(plan(volume={"size_gib": 20}), source=source)
    room = estimate_room(planned)
    assert room.source_gib == counted
    assert (f"source image {counted or 'not known'}," in room.describe()) is True
    assert find_room_fault(planned) is None


def test_preflight_refuses_what_cannot_fit_and_tells_what_an_earlier_image_used(
    harness: Harness,
) -> None:
    harness.script.used_kib = 9 * 1024**2
    harness.run()
    planned = make_plan(harness.image(spec()), harness.session, pin)
    preflight(planned, RUN, harness.session)
    assert "an earlier image used 9.0" in harness.report.said[-1]
    with pytest.raises(PreflightError, match=r"the image needs 23\.0 GiB of 12: source image 4"):
        preflight(with_layers(planned, (TWO,)), RUN, harness.session)
