"""What a plan pins, and the machines that it asks for."""

from __future__ import annotations

import pytest

from amikiln.model.plan import PinnedImage
from fakes import plan


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("debian:13", "debian@sha256:00"),
        ("host:5000/a/b:latest", "host:5000/a/b@sha256:00"),
    ],
)
def test_an_image_is_named_by_digest_without_its_tag(reference: str, wanted: str) -> None:
    assert PinnedImage(reference, "sha256:00").by_digest == wanted


def test_bake_and_verify_ask_for_different_machines() -> None:
    fleet = {"instance_types": ["m7i.large"], "metadata_hop_limit": 3}
    planned = plan(fleet=fleet, deadlines={"boot_seconds": 7, "machine_minutes": 9})
    bake, verify = planned.request_bake_machine(), planned.request_verify_machine("ami-1")
    assert (bake.purpose, bake.image_id) == ("bake", planned.source.id)
    assert (verify.purpose, verify.image_id) == ("verify", "ami-1")
    assert (bake.instance_types, verify.instance_types) == (("t3.micro",), ("m7i.large",))
    assert (bake.metadata_hop_limit, verify.metadata_hop_limit) == (1, 3)
    for request in (bake, verify):
        assert request.network == planned.network
        assert (request.digest, request.user) == (planned.digest, planned.spec.source.user)
        assert (request.root_device, request.volume) == ("/dev/sda1", planned.spec.volume)
        assert (request.boot_seconds, request.machine_minutes) == (7, 9)


def test_without_types_of_the_fleets_verify_boots_those_of_a_bake() -> None:
    planned = plan()
    assert planned.request_verify_machine("ami-1").instance_types == ("t3.micro",)
