"""What a machine is launched with, as the local cloud saw it."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import RefreshableCredentials

from amikiln.errors import BakeError
from fakes import spec, spec_values
from harness import NOTHING, POINTER, Harness

TYPES: dict[str, Any] = {"types": ["t3.micro"], "ssh_from": "127.0.0.1/32"}
OWN = {"team": "ci", "cost-center": "4711"}


@pytest.fixture
def launches(harness: Harness) -> Iterator[list[dict[str, Any]]]:
    """The arguments of each call of RunInstances."""
    found: list[dict[str, Any]] = []
    events = harness.clients()[0].meta.events

    def note(params: dict[str, Any], **other: Any) -> None:
        found.append(params)

    events.register("provide-client-params.ec2.RunInstances", note)
    yield found
    events.unregister("provide-client-params.ec2.RunInstances", note)


def test_everything_that_a_run_makes_has_the_specs_own_tags(harness: Harness) -> None:
    made: dict[str, dict[str, str]] = {}

    def note(params: dict[str, Any], **other: Any) -> None:
        for each in params.get("TagSpecifications", []):
            made[each["ResourceType"]] = {tag["Key"]: tag["Value"] for tag in each["Tags"]}

    events = harness.clients()[0].meta.events
    events.register("provide-client-params.ec2.*", note)
    done = harness.run(spec(tags=OWN))
    events.unregister("provide-client-params.ec2.*", note)
    assert set(made) == {
        "image",
        "instance",
        "key-pair",
        "network-interface",
        "security-group",
        "snapshot",
        "volume",
    }
    for name in (POINTER, "/amikiln/cpu-build/us-east-1/lease/1"):
        found = harness.ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)
        assert {tag["Key"]: tag["Value"] for tag in found["TagList"]} == OWN, name
    for kind, tags in made.items():
        assert tags.items() >= OWN.items(), kind
        assert tags["amikiln:run"] == done.run.id, kind


def test_a_public_address_is_asked_for_or_refused_in_the_network_interface(
    harness: Harness, launches: list[dict[str, Any]]
) -> None:
    harness.run(spec(network={"public_address": "no"}))
    assert len(launches) == 2
    for launch in launches:
        (card,) = launch["NetworkInterfaces"]
        assert card["AssociatePublicIpAddress"] is False
        assert card["Groups"]
        assert not launch.keys() & {"SubnetId", "SecurityGroupIds"}


def test_role_price_and_key_are_the_specs(harness: Harness, launches: list[dict[str, Any]]) -> None:
    harness.boto.client("iam").create_instance_profile(InstanceProfileName="builder")
    key = "arn:aws:kms:us-east-1:123456789012:key/1a2b"
    wanted = spec(
        instance={**TYPES, "profile": "builder", "market": "spot"},
        volume={"size_gib": 12, "kms_key": key},
    )
    # The local cloud's volumes are not encrypted: the request is as far as this comes.
    with pytest.raises(BakeError, match="not encrypted"):
        harness.run(wanted)
    (launch,) = launches
    assert launch["IamInstanceProfile"] == {"Name": "builder"}
    assert launch["InstanceMarketOptions"]["MarketType"] == "spot"
    assert "spot-instances-request" in [one["ResourceType"] for one in launch["TagSpecifications"]]
    ebs = launch["BlockDeviceMappings"][0]["Ebs"]
    assert (ebs["Encrypted"], ebs["KmsKeyId"]) == (True, key)
    assert harness.holdings() == NOTHING


def test_a_spot_machine_is_imaged_without_being_stopped(harness: Harness) -> None:
    done = harness.run(spec(instance={**TYPES, "market": "spot"}))
    assert harness.pointer() == done.image.id
    assert harness.holdings()["instances"] == []


def test_a_plain_spec_asks_for_none_of_it(harness: Harness, launches: list[dict[str, Any]]) -> None:
    harness.run()
    assert "network" not in spec_values()
    for launch in launches:
        assert not launch.keys() & {
            "IamInstanceProfile",
            "InstanceMarketOptions",
            "NetworkInterfaces",
        }
        assert "Encrypted" not in launch["BlockDeviceMappings"][0]["Ebs"]


def test_a_machine_ends_itself_when_its_run_has_no_credentials_any_more(
    harness: Harness, launches: list[dict[str, Any]]
) -> None:
    ends = datetime.now(UTC) + timedelta(minutes=90, seconds=30)
    metadata = {"access_key": "A", "secret_key": "S", "token": "T", "expiry_time": ends.isoformat()}
    credentials = RefreshableCredentials.create_from_metadata(metadata, lambda: metadata, "env")
    cloud = dataclasses.replace(harness.session.cloud, credentials=credentials)
    harness.session = dataclasses.replace(harness.session, cloud=cloud)
    assert harness.run().published is not None
    assert len(launches) == 2
    for launch in launches:
        script = base64.b64decode(launch["UserData"]).decode()
        assert "--on-active=90m systemctl poweroff" in script
