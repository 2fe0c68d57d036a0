"""Plan: everything that can move is resolved here, once, before anything is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from amikiln.catalog.images import CatalogImage, find_used_gib
from amikiln.errors import PreflightError
from amikiln.machine.logins import find_logins
from amikiln.model.plan import Context, Origin, PinnedImage, Plan, SourceImage
from amikiln.plan import elastic_stack
from amikiln.plan.bake_files import read_bake_files
from amikiln.plan.image_commit import find_commit
from amikiln.plan.network import resolve_network
from amikiln.plan.own_scripts import check_scripts
from amikiln.plan.parameters import read_parameter
from amikiln.plan.registries import Pin, ask_registries
from amikiln.plan.registry_access import open_registry_access
from amikiln.recipe import build_context, digest
from amikiln.session import Session
from amikiln.spec.load import ImageFolder
from amikiln.spec.spec import Spec
from amikiln.version import __version__


def plan(folder: ImageFolder, session: Session, pin: Pin | None = None) -> Plan:
    """Resolve a spec against the cloud and the registries. Writes nothing.

    Args:
        folder: What is wanted.
        session: The cloud to look in.
        pin: Resolves container images to digests; by default their registries do.

    Returns:
        The plan that all later stages work from; they never resolve again.

    Raises:
        PreflightError: The source image, a container image or a parameter does not exist.
    """
    check_scripts(folder, session)
    spec, origin = folder.spec, _describe_origin(folder, session)
    bake_files = read_bake_files(folder)
    source = _find_source(spec, folder.directory, session)
    network = resolve_network(spec, session)
    offered = session.cloud.instances.list_offered_types(
        [*spec.instance.types, *spec.fleet.instance_types]
    )
    instance_types = tuple(name for name in spec.instance.types if name in offered)
    fleet_types = tuple(name for name in spec.fleet.instance_types if name in offered)
    with session.waiter.span("asking the registries for digests"):
        ask = pin or ask_registries(spec, session)
        pinned = ask([spec.buildkit.image, *spec.docker.images], spec.source.architecture)
    by_reference = {image.reference: image for image in pinned}
    return digest.add_digests(
        Plan(
            origin=origin,
            spec=spec,
            source=source,
            instance_types=instance_types,
            fleet_types=fleet_types if spec.fleet.instance_types else instance_types,
            network=network,
            images=tuple(by_reference[reference] for reference in spec.docker.images),
            buildkit=by_reference[spec.buildkit.image],
            own_steps=folder.steps,
            own_checks=folder.checks,
            context=_find_context(folder, bake_files, pinned, session),
            bake_files=bake_files,
            digest="",
            proof_digest="",
        )
    )


def _find_context(
    folder: ImageFolder,
    bake_files: Mapping[str, bytes],
    pinned: Sequence[PinnedImage],
    session: Session,
) -> Context | None:
    warm, commit = folder.spec.warm, None
    if warm is None:
        return None
    for image in pinned:
        if image.reference == warm.commit_from:
            logins = find_logins(folder.spec, session)
            with open_registry_access(folder.spec, logins) as access:
                architecture = folder.spec.source.architecture
                commit = find_commit(image, warm.commit_label, architecture, access)
    with session.waiter.span("looking into the warm build's context"):
        return build_context.resolve_context(warm, folder.directory, bake_files, commit)


def _describe_origin(folder: ImageFolder, session: Session) -> Origin:
    file = folder.directory / folder.file_name
    if file.is_absolute() and file.is_relative_to(Path.cwd()):
        # Where this machine keeps its checkouts says nothing to the next one.
        file = file.relative_to(Path.cwd())
    return Origin(
        spec_file=file.as_posix(),
        local=folder.local,
        changes=folder.changes,
        # The beginning: what is resolved later is younger than it says.
        planned_at=datetime.now(UTC).isoformat(timespec="seconds"),
        amikiln_version=__version__,
        recipe=digest.hash_recipe(),
        cloud=session.cloud.name,
        account=session.cloud.account,
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
            image_id = wanted.id or read_parameter(
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
    return SourceImage(
        found.id,
        found.name,
        found.root_device,
        found.volume_gib,
        find_used_gib([CatalogImage(found)]) or None,
    )
