"""What a run really waits for is within the sums that its machines' timers follow from."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from amikiln import pipeline
from amikiln.runtime.guest import Login
from amikiln.spec import timing
from amikiln.spec.spec import Spec
from amikiln.verify.checks import warmth
from fakes import WARM, FakeGuest, Script, spec
from harness import Harness
from recipe_context import Repository

STEPS, CHECKS = ("steps/after-docker-a.sh", "steps/before-seal.sh"), ("checks/mine.sh",)
BUILT = f"{WARM}ended same 0\n{WARM}ended checkout 0\n0022\n"
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


class BuildingGuest(FakeGuest):
    """A guest that also builds from other checkouts."""

    def run(self, command: str, **options: Any) -> str:
        return super().run(command, **options) or (BUILT if "check-checkout.sh" in command else "")


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


def test_the_machine_outlives_the_builds_and_the_boot_for_which_it_waits(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert warmth.BUILDS <= timing.BUILDS_OF_VERIFY
    repository = Repository(harness.folder / "origin")
    repository.commit({"Dockerfile": "FROM scratch\n"})
    warm = {"context": f"{repository.url}#main", "dockerfile": "Dockerfile"}
    # As short as they can be: what is not in the sum cannot hide behind what is left of it.
    wanted = spec(warm=warm, deadlines={"step_seconds": 1, "check_seconds": 1, "boot_seconds": 400})
    containers = Script(machine="systemd-nspawn", manifest={"boot_changed": True})
    harness.script = containers

    def connect(login: Login) -> FakeGuest:
        (machine,) = (m for m in harness.hypervisor.machines.values() if m.address == login.address)
        return FakeGuest(
            login, Script(machine="qemu") if machine.plan.boots_kernel else harness.script
        )

    harness.session = dataclasses.replace(harness.session, connect=connect)
    run = pipeline.new_run(wanted.name)
    image = pipeline.bake_image(harness.image(wanted), run, harness.session).image
    waits, run = Waits(), pipeline.new_run(wanted.name)
    waits.watch(monkeypatch)
    verdict = harness.folder / "verdict.json"
    pipeline.verify_image(harness.image(wanted), image.id, run, harness.session, verdict)
    found = waits.take()
    boots = 2 * (2 * wanted.deadlines.boot_seconds)
    assert found > timing.CHECKOUT_BUILDS * timing.CHECKOUT_BUILD_SECONDS + 400
    needed = timing.sum_verify_machine(wanted, 0).seconds
    assert found + boots + timing.END_SECONDS <= needed
