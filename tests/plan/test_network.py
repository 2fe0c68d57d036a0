"""Plan and preflight: how machines are reached, and what would keep them from it."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amikiln.errors import PreflightError
from amikiln.model.plan import Plan
from amikiln.model.run import Run
from amikiln.plan import network, this_machine
from amikiln.plan.preflight import preflight
from amikiln.plan.resolve import plan as make_plan
from fakes import pin, spec
from harness import Harness

RUN = Run("cpu-build-20261124-060000-0a1b2c", "cpu-build")
TYPES = ["t3.micro"]
HERE = "203.0.113.7"


@pytest.fixture(autouse=True)
def public_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        network, "open_directly", lambda url, timeout: io.BytesIO(f"{HERE}\n".encode())
    )


@dataclasses.dataclass
class Vpc:
    """A VPC with a subnet, a route table of its own and a gateway that nothing leads to yet."""

    id: str
    subnet: str
    table: str
    gateway: str


@pytest.fixture
def vpc(harness: Harness) -> Vpc:
    ec2 = harness.ec2
    vpc_id = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    return Vpc(vpc_id, subnet, table, gateway)


def lead_out(harness: Harness, vpc: Vpc, **target: str) -> None:
    target = target or {"GatewayId": vpc.gateway}
    harness.ec2.create_route(RouteTableId=vpc.table, DestinationCidrBlock="0.0.0.0/0", **target)


def look(harness: Harness, subnet: str | None, **tables: dict[str, Any]) -> Plan:
    """Plan and preflight a spec."""
    instance: dict[str, Any] = {"types": TYPES, **tables.pop("instance", {})}
    if subnet is not None:
        instance["subnet"] = subnet
    planned = make_plan(harness.image(spec(instance=instance, **tables)), harness.session, pin)
    preflight(planned, RUN, harness.session)
    return planned


def test_by_default_the_public_address_is_used_where_the_subnet_gives_one(
    harness: Harness,
) -> None:
    planned = look(harness, None)
    assert (planned.network.connect, planned.network.public_address) == ("public", None)
    assert planned.network.ssh_from == f"{HERE}/32"


def test_in_a_subnet_without_public_addresses_the_private_one_is_used(
    harness: Harness, vpc: Vpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "_find_address_towards", lambda subnets: "10.9.7.7")
    planned = look(harness, vpc.subnet)
    assert planned.network.connect == "private"
    assert planned.network.ssh_from == "10.9.7.7/32"
    assert f"warning: machines in {vpc.subnet} reach nothing outside" in harness.report.read()


def test_the_private_source_is_the_address_that_packets_leave_with(harness: Harness) -> None:
    planned = look(harness, None, network={"connect": "private"})
    # Whatever this machine has: it is one of its own addresses, not what a service says.
    assert planned.network.ssh_from is not None
    assert planned.network.ssh_from != f"{HERE}/32"


def test_subnets_without_public_addresses_are_left_out_where_others_give_one(
    harness: Harness,
) -> None:
    subnets = [s["SubnetId"] for s in harness.ec2.describe_subnets()["Subnets"]]
    harness.ec2.modify_subnet_attribute(SubnetId=subnets[1], MapPublicIpOnLaunch={"Value": False})
    planned = look(harness, None)
    assert planned.network.subnet_ids == tuple(s for s in subnets if s != subnets[1])
    assert f"subnet {subnets[1]} gives no public address: left out" in harness.report.said


def test_a_public_address_that_the_subnet_does_not_give_is_asked_for(
    harness: Harness, vpc: Vpc
) -> None:
    lead_out(harness, vpc)
    planned = look(harness, vpc.subnet, network={"public_address": "yes"})
    assert planned.network.connect == "public"
    assert planned.network.public_address is True


def no_address(harness: Harness, vpc: Vpc) -> str:
    lead_out(harness, vpc)
    return "gives no public address, and network.connect is public"


def no_route(harness: Harness, vpc: Vpc) -> str:
    harness.ec2.modify_subnet_attribute(SubnetId=vpc.subnet, MapPublicIpOnLaunch={"Value": True})
    return r"no route to an internet gateway \(none at all\)"


def only_nat(harness: Harness, vpc: Vpc) -> str:
    address = harness.ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = harness.ec2.create_nat_gateway(SubnetId=vpc.subnet, AllocationId=address)
    lead_out(harness, vpc, NatGatewayId=nat["NatGateway"]["NatGatewayId"])
    no_route(harness, vpc)
    return r"no route to an internet gateway \(nat-"


@pytest.mark.parametrize("break_it", [no_address, no_route, only_nat])
def test_what_cannot_be_reached_by_its_public_address_is_a_fault(
    harness: Harness, vpc: Vpc, break_it: Callable[[Harness, Vpc], str]
) -> None:
    fault = break_it(harness, vpc)
    with pytest.raises(PreflightError, match=fault):
        look(harness, vpc.subnet, network={"connect": "public"})


RULES = {
    "nobody": ([], "lets nobody in to port 22"),
    "another port": ([(80, 80, "0.0.0.0/0")], "lets nobody in to port 22"),
    "another network": ([(22, 22, "198.51.100.0/24")], f"does not let in port 22 from {HERE}"),
    "us": ([(22, 22, "203.0.113.0/24")], None),
    "a range of ports": ([(0, 1024, "203.0.113.0/24")], None),
}


@pytest.mark.parametrize("rules", RULES)
def test_a_group_of_ones_own_has_to_let_this_machine_in(harness: Harness, rules: str) -> None:
    ports, fault = RULES[rules]
    group = harness.ec2.create_security_group(GroupName="own", Description="own")["GroupId"]
    for first, last, source in ports:
        harness.ec2.authorize_security_group_ingress(
            GroupId=group, IpProtocol="tcp", FromPort=first, ToPort=last, CidrIp=source
        )
    if fault is None:
        look(harness, None, instance={"security_group": group})
        return
    with pytest.raises(PreflightError, match=fault):
        look(harness, None, instance={"security_group": group})


def test_a_group_of_another_vpc_is_a_fault(harness: Harness, vpc: Vpc) -> None:
    group = harness.ec2.create_security_group(GroupName="own", Description="own", VpcId=vpc.id)[
        "GroupId"
    ]
    with pytest.raises(PreflightError, match=f"security group {group} is of {vpc.id}, and subnet"):
        look(harness, None, instance={"security_group": group})


def test_session_manager_needs_no_open_port_and_its_programs(
    harness: Harness, vpc: Vpc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in this_machine.PROGRAMS:
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = {"connect": "session-manager", "public_address": "no"}
    with pytest.raises(PreflightError) as caught:
        look(harness, vpc.subnet, network=wanted)
    assert [line.split(", ")[1] for line in caught.value.what.splitlines()] == [
        "and aws is not installed here (install aws",
        "and session-manager-plugin is not installed here (session-manager-plugin:"
        " https://docs.aws.amazon.com/systems-manager/latest/userguide/"
        "session-manager-working-with-install-plugin.html)",
    ]
    for program in network.SESSION_MANAGER_PROGRAMS:
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    assert look(harness, vpc.subnet, network=wanted).network.ssh_from is None


def test_a_subnet_without_a_free_address_is_a_fault(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = harness.session.cloud.network
    full = [dataclasses.replace(one, free_addresses=0) for one in cloud.find_subnets()]
    monkeypatch.setattr(cloud, "find_subnets", lambda ids=(): full)
    with pytest.raises(PreflightError, match="no private address is free in subnet-"):
        look(harness, None)


def test_an_instance_profile_has_to_exist(harness: Harness) -> None:
    with pytest.raises(PreflightError, match="there is no instance profile builder"):
        look(harness, None, instance={"profile": "builder"})
    harness.boto.client("iam").create_instance_profile(InstanceProfileName="builder")
    look(harness, None, instance={"profile": "builder"})
