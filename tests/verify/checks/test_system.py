"""The machine: booted, Docker where the bake left its data, and room for builds."""

from __future__ import annotations

import pytest

from amikiln.errors import VerifyError
from amikiln.model.verdict import Outcome
from fakes import IMAGES, FakeGuest, Script, plan, spec
from harness import Harness
from verify.checks.conftest import RunCheck


@pytest.mark.parametrize(
    ("key", "parameter"),
    [
        ("instance_storage", "EnableInstanceStorage"),
        ("user_namespace_remap", "EnableDockerUserNamespaceRemap"),
    ],
)
def test_what_the_fleets_boot_moved_away_is_named_with_the_stacks_parameter(
    key: str, parameter: str, script: Script, run: RunCheck
) -> None:
    script.docker_store = "overlay2 /elsewhere"
    result = run("docker-as-baked", plan(fleet={key: True}))
    assert result.outcome is Outcome.FAIL
    assert f"{key} ({parameter})" in result.hint


@pytest.mark.parametrize(
    ("check", "field", "value"),
    [
        ("docker-as-baked", "docker_store", "overlay2 /mnt/ephemeral/docker"),
        ("docker-as-baked", "docker_store", "overlayfs /var/lib/docker"),
        ("room-on-disk", "free_kib", (5 + 2) * 1024**2 - 1),
        ("room-on-disk", "free_inodes", 249_999),
    ],
)
def test_a_machine_unlike_the_bakes_fails_with_a_hint(
    check: str, field: str, value: object, script: Script, run: RunCheck
) -> None:
    setattr(script, field, value)
    result = run(check)
    assert result.outcome is Outcome.FAIL
    assert result.evidence
    assert result.hint


SMALL = {"registry.example/small:1": {"id": "sha256:2", "size": 1024**3}}


@pytest.mark.parametrize(
    ("manifest", "wanted_gib", "what"),
    [
        ({}, 5 + 2, "2.0 GiB for registry.example/team/app:latest"),
        ({"images": IMAGES | SMALL}, 5 + 2, "2.0 GiB for registry.example/team/app:latest"),
        ({"images": SMALL}, 5 + 1, "1.0 GiB for registry.example/small:1"),
        ({"images": {}}, 5, "0.0 GiB for no image"),
    ],
)
def test_a_job_has_room_for_the_largest_image_beside_what_is_there(
    manifest: dict[str, object], wanted_gib: int, what: str, script: Script, run: RunCheck
) -> None:
    script.manifest = manifest
    for free_kib, outcome in (
        (wanted_gib * 1024**2, Outcome.PASS),
        (wanted_gib * 1024**2 - 1, Outcome.FAIL),
    ):
        script.free_kib = free_kib
        result = run("room-on-disk")
        assert (result.outcome, what in result.evidence) == (outcome, True)


def test_a_manifest_without_sizes_says_nothing_about_the_room(
    script: Script, run: RunCheck
) -> None:
    script.manifest = {"images": None}
    assert run("room-on-disk").outcome is Outcome.UNKNOWN


def test_failed_units_are_named(run: RunCheck) -> None:
    class DegradedGuest(FakeGuest):
        def run(self, command: str, **options: object) -> str:  # type: ignore[override]
            if "list-units" in command:
                return "docker.service loaded failed failed Docker\n"
            return "degraded\n"

    result = run("boot-finished", guest=DegradedGuest)
    assert result.outcome is Outcome.FAIL
    assert "degraded" in result.evidence
    assert "docker.service" in result.evidence


@pytest.mark.parametrize(
    ("machine", "boot_changed", "outcome"),
    [
        ("systemd-nspawn", True, Outcome.UNKNOWN),
        ("systemd-nspawn", False, Outcome.PASS),
        ("qemu", True, Outcome.PASS),
        ("amazon", True, Outcome.PASS),
    ],
)
def test_a_container_does_not_prove_that_a_changed_boot_boots(
    machine: str, boot_changed: bool, outcome: Outcome, script: Script, run: RunCheck
) -> None:
    script.machine = machine
    script.manifest = {"boot_changed": boot_changed}
    result = run("boot-finished")
    assert result.outcome is outcome
    assert ("cloud up --machines emulated" in result.hint) == (outcome is Outcome.UNKNOWN)


def test_docker_has_to_ask_the_specs_mirrors_first(harness: Harness) -> None:
    wanted = spec(mirrors={"docker.io": ["m.example"]})
    harness.script.docker_store = "overlay2 /var/lib/docker https://m.example/ https://own/"
    assert harness.run(wanted).verdict is not None
    harness.script.docker_store = "overlay2 /var/lib/docker https://own/"
    with pytest.raises(VerifyError, match=r"docker-as-baked.*https://own; wanted"):
        harness.run(wanted, rebake=True)
