"""What a run really waits for is within the sums that its machines' timers follow from."""

from __future__ import annotations

from typing import Any

import pytest

from amikiln import pipeline
from amikiln.spec import timing
from amikiln.spec.spec import Spec
from fakes import FakeGuest, spec
from harness import Harness

STEPS, CHECKS = ("steps/after-docker-a.sh", "steps/before-seal.sh"), ("checks/mine.sh",)
STACK: dict[str, Any] = {"fleet": {"elastic_stack": True}}


class Waits:
    """The deadlines of all commands that were given to guests."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        for name in ("run", "stream"):
            patch.setattr(FakeGuest, name, self._wrap(getattr(FakeGuest, name)))

    def _wrap(self, original: Any) -> Any:
        def record(guest: FakeGuest, *words: Any, timeout_seconds: float, **options: Any) -> Any:
            self.seconds += timeout_seconds
            return original(guest, *words, timeout_seconds=timeout_seconds, **options)

        return record

    def take(self) -> float:
        """Return the seconds since the last call."""
        found, self.seconds = self.seconds, 0.0
        return found


@pytest.mark.parametrize(
    "wanted",
    [spec(), spec(buildkit={"builder": "b", "driver": "systemd"}), spec(**STACK)],
    ids=["container", "systemd", "stack"],
)
def test_commands_take_no_longer_than_their_machine_lives(
    wanted: Spec, harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*STEPS, *CHECKS):
        (harness.folder / name).parent.mkdir(exist_ok=True)
        (harness.folder / name).write_text("true\n")
    waits, run = Waits(), pipeline.new_run(wanted.name)
    waits.watch(monkeypatch)
    image = pipeline.bake_image(harness.image(wanted), run, harness.session).image
    of_bake = waits.take()
    before = 2 * wanted.deadlines.boot_seconds
    machine = timing.sum_bake_machine(wanted, len(STEPS))
    assert 0 < of_bake + before + wanted.deadlines.stop_seconds <= machine.seconds

    verdict = harness.folder / "verdict.json"
    run = pipeline.new_run(wanted.name)
    pipeline.verify_image(harness.image(wanted), image.id, run, harness.session, verdict)
    assert 0 < waits.take() + before <= timing.sum_verify_machine(wanted, len(CHECKS)).seconds
