"""Instances: many are asked for in few calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from amikiln.aws.connect import connect
from amikiln.aws.instances import Instances
from amikiln.aws.requests import MOST_FILTER_VALUES
from localcloud.fixture import CloudFixture


def instances(cloud: CloudFixture) -> Instances:
    return connect("us-east-1", cloud.session()).instances


def ids(kind: str, count: int) -> list[str]:
    """Return ids that nothing in the cloud has."""
    return [f"{kind}-{number:017x}" for number in range(count)]


def test_instances_are_found_by_their_ids_and_unknown_ones_are_left_out(
    cloud: CloudFixture,
) -> None:
    first, second, gone = cloud.run_to(), cloud.run_to(), cloud.run_to()
    cloud.client("ec2").terminate_instances(InstanceIds=[gone])
    found = instances(cloud).find_by_ids([second, first, gone, *ids("i", 1)])
    assert {id_: (it.id, it.image_id, it.state) for id_, it in found.items()} == {
        id_: (id_, cloud.base, "running") for id_ in (first, second)
    }


def test_images_in_use_are_those_of_instances_that_are_not_gone(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to()
    asked = [cloud.base, *ids("ami", 1)]
    assert instances(cloud).find_images_in_use(asked) == {cloud.base}
    ec2.stop_instances(InstanceIds=[instance_id])
    cloud.until_state(instance_id, "stopped")
    assert instances(cloud).find_images_in_use(asked) == {cloud.base}
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert instances(cloud).find_images_in_use(asked) == set()


def test_no_call_names_more_values_than_a_filter_may_have(cloud: CloudFixture) -> None:
    sizes: list[int] = []

    def measure(params: dict[str, Any], **other: Any) -> None:
        sizes.append(len(params["Filters"][0]["Values"]))

    here = instances(cloud)
    here._client.meta.events.register("before-parameter-build.ec2.DescribeInstances", measure)
    last = cloud.run_to()
    assert list(here.find_by_ids([*ids("i", MOST_FILTER_VALUES), last])) == [last]
    assert sizes == [200, 1]
    assert here.find_by_ids([]) == {}
    assert len(sizes) == 2, "nothing to ask for, nothing asked"


@pytest.mark.parametrize(
    ("latest", "asked"),
    [("now", [True]), ("", [True, None]), ("UnsupportedOperation", [True, None])],
)
def test_the_console_is_read_as_it_is_now_where_the_type_can(
    cloud: CloudFixture, latest: str, asked: list[bool | None]
) -> None:
    here, seen = instances(cloud), []

    def answer(**which: Any) -> dict[str, str]:
        seen.append(which.get("Latest"))
        if not which.get("Latest"):
            return {"Output": "at the start"}
        if latest == "UnsupportedOperation":
            refusal: Any = {"Error": {"Code": latest, "Message": "not this type"}}
            raise ClientError(refusal, "GetConsoleOutput")
        return {"Output": latest}

    here._client = SimpleNamespace(get_console_output=answer)  # type: ignore[assignment]
    assert here.read_console("i-1") == ("now" if latest == "now" else "at the start")
    assert seen == asked
