"""Plan: everything that can move is resolved here, once, before anything is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from pathlib import Path
from urllib.request import urlopen

from amikiln.errors import PreflightError
from amikiln.model.plan import Network, PinnedImage, Plan, SourceImage
from amikiln.plan import elastic_stack, registries
from amikiln.recipe import build_context, digest
from amikiln.session import Session
from amikiln.spec.load import ImageFolder
from amikiln.spec.spec import Spec

CALLER_ADDRESS_SERVICE = "https://checkip.amazonaws.com"
CALLER_ADDRESS_SECONDS = 10
LONGEST_ADDRESS = 64

Pin = Callable[[Iterable[str]], tuple[PinnedImage, ...]]


def plan(folder: ImageFolder, session: Session, pin: Pin = registries.pin) -> Plan:
    """Resolve a spec against the cloud and the registries. Writes nothing.

    Args:
        folder: What is wanted.
        session: The cloud to look in.
        pin: Resolves container images to digests.

    Returns:
        The plan that all later stages work from; they never resolve again.

    Raises:
        PreflightError: The source image, a container image or a parameter does not exist.
    """
    spec = folder.spec
    source = _find_source(spec, folder.directory, session)
    network = _find_network(spec, session)
    offered = session.cloud.instances.list_offered_types(
        [*spec.instance.types, *spec.fleet.instance_types]
    )
    instance_types = tuple(name for name in spec.instance.types if name in offered)
    fleet_types = tuple(name for name in spec.fleet.instance_types if name in offered)
    with session.waiter.span("asking the registries for digests"):
        pinned = pin([spec.buildkit.image, *spec.docker.images])
    by_reference = {image.reference: image for image in pinned}
    return digest.add_digests(
        Plan(
            spec=spec,
            source=source,
            instance_types=instance_types,
            fleet_types=fleet_types if spec.fleet.instance_types else instance_types,
            network=network,
            images=tuple(by_reference[reference] for reference in spec.docker.images),
            buildkit=by_reference[spec.buildkit.image],
            own_steps=folder.steps,
            own_checks=folder.checks,
            context=build_context.resolve_context(spec.warm, folder.directory)
            if spec.warm is not None
            else None,
            digest="",
            proof_digest="",
        )
    )


def _find_source(spec: Spec, image_directory: Path, session: Session) -> SourceImage:
    wanted, images = spec.source, session.cloud.images
    if wanted.name is not None and wanted.owner is not None:
        found = images.find_newest(
            name=wanted.name, owner=wanted.owner, architecture=wanted.architecture
        )
        what = f"{wanted.architecture} image named {wanted.name!r} of owner {wanted.owner}"
    else:
        if wanted.stack_version is not None:
            image_id = elastic_stack.find_image_id(wanted, spec.region, image_directory)
        else:
            image_id = wanted.id or _read_parameter(
                spec, wanted.parameter or "", "source.parameter", session
            )
        found = images.get(image_id)
        what = f"image {image_id}"
    if found is None or found.state != "available":
        raise PreflightError(
            f"no available {what} in {spec.region}", hint="correct [source] in image.toml"
        )
    if found.architecture != wanted.architecture:
        raise PreflightError(
            f"image {found.id} ({found.name}) is for {found.architecture}, and the spec wants"
            f" {wanted.architecture}",
            hint="correct source.architecture, or name another image",
        )
    return SourceImage(found.id, found.name, found.root_device)


def _find_network(spec: Spec, session: Session) -> Network:
    wanted = spec.instance
    subnet, group = wanted.subnet, wanted.security_group
    if wanted.subnet_parameter is not None:
        subnet = _read_parameter(
            spec, wanted.subnet_parameter, "instance.subnet_parameter", session
        )
    if wanted.security_group_parameter is not None:
        group = _read_parameter(
            spec, wanted.security_group_parameter, "instance.security_group_parameter", session
        )
    found = session.cloud.network.find_subnets(subnet)
    if not found and subnet is None:
        raise PreflightError(
            f"there is no default subnet in {spec.region}", hint="set instance.subnet in image.toml"
        )
    return Network(
        # One that does not exist is preflight's to report, together with all other faults.
        subnet_ids=tuple(each.id for each in found) or (subnet or "",),
        security_group_id=group,
        ssh_from=_find_ssh_source(wanted.ssh_from) if group is None else None,
        vpc_id=found[0].vpc_id if found else None,
    )


def _find_ssh_source(given: str | None) -> str:
    if given is not None:
        return given
    try:
        with urlopen(CALLER_ADDRESS_SERVICE, timeout=CALLER_ADDRESS_SECONDS) as answer:
            return f"{IPv4Address(answer.read(LONGEST_ADDRESS).decode().strip())}/32"
    except (OSError, ValueError) as error:
        raise PreflightError(
            f"cannot find out this machine's public address from {CALLER_ADDRESS_SERVICE}: {error}",
            hint="set instance.ssh_from in image.toml, as 203.0.113.7/32",
        ) from error


def _read_parameter(spec: Spec, path: str, key: str, session: Session) -> str:
    name = spec.in_region(path)
    found = session.cloud.parameters.get(name)
    if found is None:
        raise PreflightError(
            f"there is no SSM parameter {name} in {session.cloud.region}",
            hint=f"create it, or correct {key} in image.toml",
        )
    return found.value
