"""An image is the same, whichever kind of machine baked it: each kind proves the other's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amikiln_localcloud.machines.kinds import Choice
from vm.local_cloud import ALONE, IMAGE_DIRECTORY, MACHINE_NAMES, LocalCloud

# A whole cycle under emulation, on a busy host.
pytestmark = [pytest.mark.vm, pytest.mark.timeout(2400)]


class TwoKinds:
    """One cloud whose images stay while the kind of its machines changes."""

    def __init__(self, state: Path, in_qemu: str) -> None:
        self.in_qemu = in_qemu
        self.cloud = LocalCloud(state, "container")
        self._verdict = state / "verdict.json"

    def run(self) -> tuple[str, dict[str, Any]]:
        """Bake and prove a new image; return its id and the verdict."""
        done = self.cloud.amikiln("run", IMAGE_DIRECTORY, "--local", "--json", "--rebake", *ALONE)
        cycle = json.loads(done.stdout)["cycle"]
        return cycle["image"]["id"], cycle["verdict"]

    def verify(self, image_id: str) -> dict[str, Any]:
        """Prove an image that is there; return the verdict."""
        self.cloud.amikiln(
            "verify", IMAGE_DIRECTORY, image_id, "--local", "--verdict", self._verdict
        )
        verdict: dict[str, Any] = json.loads(self._verdict.read_text())
        return verdict

    def change(self, machines: str) -> None:
        """Let machines be of another kind."""
        self.cloud.amikiln("cloud", "down")
        self.cloud.amikiln("cloud", "up", "--machines", machines)
        assert self.cloud.machines == machines


@pytest.fixture
def two_kinds(
    choices: dict[str, Choice], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoKinds]:
    if set(choices) != {"container", "qemu"}:
        pytest.skip("not run: one kind of machine works here, or one was asked for")
    found = TwoKinds(tmp_path_factory.mktemp("two-kinds"), choices["qemu"].kind)
    yield found
    found.cloud.amikiln("cloud", "down")


def test_each_kind_proves_what_the_other_has_baked(two_kinds: TwoKinds) -> None:
    from_container, verdict = two_kinds.run()
    assert verdict["machine"] == "systemd-nspawn"

    two_kinds.change(two_kinds.in_qemu)
    of_qemu = MACHINE_NAMES[two_kinds.in_qemu]
    verdict = two_kinds.verify(from_container)
    assert (verdict["outcome"], verdict["machine"]) == ("pass", of_qemu)
    # The whole cycle in machines that boot their kernel.
    from_qemu, verdict = two_kinds.run()
    assert from_qemu != from_container
    assert (verdict["outcome"], verdict["machine"]) == ("pass", of_qemu)

    two_kinds.change("container")
    verdict = two_kinds.verify(from_qemu)
    assert (verdict["outcome"], verdict["machine"]) == ("pass", "systemd-nspawn")
