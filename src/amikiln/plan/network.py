"""Where a run's machines will be and how they are reached: found out, and checked beforehand."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network
from urllib.request import ProxyHandler, build_opener

from amikiln.aws.network import SecurityGroup, Subnet
from amikiln.errors import PreflightError
from amikiln.model.plan import Connect, Network, Plan
from amikiln.plan.parameters import read_parameter
from amikiln.runtime.installed import find_line_for
from amikiln.session import Session
from amikiln.spec.spec import Spec

CALLER_ADDRESS_SERVICE = "https://checkip.amazonaws.com"
CALLER_ADDRESS_SECONDS = 10
LONGEST_ADDRESS = 64
open_directly = build_opener(ProxyHandler({})).open
"""Opens a URL without a proxy: ssh takes none either, and its connection is the one to let in."""
SESSION_MANAGER_PROGRAMS = ("aws", "session-manager-plugin")
"""https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"""


def resolve_network(spec: Spec, session: Session) -> Network:
    """Find out where a spec's machines will be, and from where they have to let us in.

    Args:
        spec: What is wanted.
        session: The cloud to look in.

    Raises:
        PreflightError: A parameter or a default subnet is missing, or this machine's own address
            cannot be found out.
    """
    wanted = spec.instance
    subnet, group = wanted.subnet, wanted.security_group
    if wanted.subnet_parameter is not None:
        subnet = read_parameter(spec, wanted.subnet_parameter, "instance.subnet_parameter", session)
    if wanted.security_group_parameter is not None:
        group = read_parameter(
            spec, wanted.security_group_parameter, "instance.security_group_parameter", session
        )
    found = session.cloud.network.find_subnets([subnet] if subnet is not None else [])
    if not found and subnet is None:
        raise PreflightError(
            f"there is no default subnet in {spec.region}", hint="set instance.subnet in image.toml"
        )
    public_address = {"yes": True, "no": False, "subnet": None}[spec.network.public_address]
    if public_address is None and spec.network.connect in {"auto", "public"}:
        found = _prefer_public_subnets(found, session)
    connect = _choose_way(spec, public_address, found)
    return Network(
        # One that does not exist is preflight's to report, together with all other faults.
        subnet_ids=tuple(each.id for each in found) or (subnet or "",),
        security_group_id=group,
        ssh_from=_choose_ssh_source(spec, group, connect, found),
        vpc_id=found[0].vpc_id if found else None,
        public_address=public_address,
        connect=connect,
    )


def let_this_machine_in(network: Network, spec: Spec, session: Session) -> Network:
    """Return a network that was planned by another machine, with the address of this one.

    Raises:
        PreflightError: This machine's own address is needed, and cannot be found out.
    """
    subnets = session.cloud.network.find_subnets(network.subnet_ids)
    group, connect = network.security_group_id, network.connect
    return replace(network, ssh_from=_choose_ssh_source(spec, group, connect, subnets))


def _choose_ssh_source(
    spec: Spec, group: str | None, connect: Connect, subnets: Sequence[Subnet]
) -> str | None:
    if group is not None or connect == "session-manager":
        return None
    return spec.instance.ssh_from or _find_own_address(connect, subnets)


def _prefer_public_subnets(subnets: list[Subnet], session: Session) -> list[Subnet]:
    """Return the subnets that give a public address, if any do, and say which are left out."""
    public = [each for each in subnets if each.gives_public_address]
    if public:
        for each in subnets:
            if each not in public:
                session.report.line(f"subnet {each.id} gives no public address: left out")
    return public or subnets


def _choose_way(spec: Spec, public_address: bool | None, subnets: Sequence[Subnet]) -> Connect:
    if spec.network.connect != "auto":
        return spec.network.connect
    if public_address is None:
        public_address = all(each.gives_public_address for each in subnets)
    return "public" if public_address else "private"


def _find_own_address(connect: Connect, subnets: Sequence[Subnet]) -> str:
    """Return the address that this machine's connections will come from, as a network of one."""
    try:
        if connect == "private":
            return f"{_find_address_towards(subnets)}/32"
        with open_directly(CALLER_ADDRESS_SERVICE, timeout=CALLER_ADDRESS_SECONDS) as answer:
            return f"{IPv4Address(answer.read(LONGEST_ADDRESS).decode().strip())}/32"
    except (OSError, ValueError) as error:
        where = "" if connect == "private" else f" from {CALLER_ADDRESS_SERVICE}"
        raise PreflightError(
            f"cannot find out this machine's {connect} address{where}: {error}",
            hint="set instance.ssh_from in image.toml, as 203.0.113.7/32",
        ) from error


def _find_address_towards(subnets: Sequence[Subnet]) -> IPv4Address:
    """Return the address that packets to the subnets leave this machine with.

    Connecting a UDP socket chooses a route and sends nothing (connect(2)).

    Raises:
        OSError: There is no route.
        ValueError: The spec's subnet does not exist, or is reached by IPv6.
    """
    if not subnets:
        raise ValueError("the subnet does not exist")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((str(ip_network(subnets[0].cidr)[1]), 22))
        return IPv4Address(probe.getsockname()[0])


def check_network(plan: Plan, session: Session) -> Iterator[str]:
    """Yield what will keep machines from being reached or started; say what they cannot reach.

    Args:
        plan: Its network and its spec are looked at.
        session: The cloud to look in.
    """
    network = plan.network
    subnets = session.cloud.network.find_subnets(network.subnet_ids)
    if network.vpc_id is None:
        yield f"there is no subnet {', '.join(network.subnet_ids)} in {plan.spec.region}"
    else:
        yield from _check_subnets(subnets, network, network.vpc_id, session)
    if network.security_group_id is not None:
        yield from _check_security_group(plan, network.security_group_id, subnets, session)
    if network.connect == "session-manager":
        for program in SESSION_MANAGER_PROGRAMS:
            if shutil.which(program) is None:
                yield (
                    f"network.connect is session-manager, and {program} is not installed here"
                    f" ({find_line_for(program)})"
                )
        if plan.spec.instance.profile is None:
            session.report.line(
                "instance.profile is not set: Session Manager then needs the account's default"
                " host management"
            )


def _check_subnets(
    subnets: Sequence[Subnet], network: Network, vpc_id: str, session: Session
) -> Iterator[str]:
    routes = session.cloud.network.find_default_routes(vpc_id, network.subnet_ids)
    if all(each.free_addresses == 0 for each in subnets):
        yield f"no private address is free in {', '.join(each.id for each in subnets)}"
    for each in subnets:
        is_public = (
            each.gives_public_address if network.public_address is None else network.public_address
        )
        yield from _check_subnet(each, is_public, routes.get(each.id), network.connect, session)


def _check_subnet(
    subnet: Subnet, is_public: bool, route: str | None, connect: Connect, session: Session
) -> Iterator[str]:
    leads_in = route is not None and route.startswith("igw-")
    if connect == "public" and not is_public:
        yield (
            f"subnet {subnet.id} gives no public address, and network.connect is public: set"
            " network.public_address to yes, or network.connect to private or session-manager"
        )
    elif connect == "public" and not leads_in:
        yield (
            f"subnet {subnet.id} has no route to an internet gateway ({route or 'none at all'}):"
            " a public address in it cannot be reached; set network.connect to private or"
            " session-manager, or instance.subnet to another"
        )
    if route is None or (leads_in and not is_public):
        session.report.line(
            f"warning: machines in {subnet.id} reach nothing outside the VPC: they have"
            f" {'no public address' if leads_in else 'no route there'}"
        )


def _check_security_group(
    plan: Plan, group_id: str, subnets: Sequence[Subnet], session: Session
) -> Iterator[str]:
    group = session.cloud.network.find_security_group(group_id)
    network = plan.network
    if group is None:
        yield f"there is no security group {group_id} in {plan.spec.region}"
        return
    if network.vpc_id is not None and group.vpc_id != network.vpc_id:
        yield (
            f"security group {group_id} is of {group.vpc_id}, and subnet"
            f" {network.subnet_ids[0]} of {network.vpc_id}"
        )
    if network.connect != "session-manager":
        yield from _check_ssh_rules(group, plan, subnets, session)


def _check_ssh_rules(
    group: SecurityGroup, plan: Plan, subnets: Sequence[Subnet], session: Session
) -> Iterator[str]:
    if not group.ssh_from and not group.has_other_sources:
        yield f"security group {group.id} lets nobody in to port 22"
        return
    network = plan.network
    try:
        own = _find_own_address(network.connect, subnets)
    except PreflightError as error:
        session.report.line(f"{error.what}: whether {group.id} lets it in is not known")
        return
    address = ip_address(own.removesuffix("/32"))
    if not any(address in ip_network(each, strict=False) for each in group.ssh_from):
        fault = (
            f"security group {group.id} does not let in port 22 from {address}, which this machine"
            f" connects from; it lets in {', '.join(group.ssh_from) or 'no IPv4 network'}"
        )
        if group.has_other_sources:
            session.report.line(f"warning: {fault}, and what other groups and prefix lists have")
        else:
            yield fault
