"""Uses a plan that was written to a file: what it was made from is read anew and compared.

What moves by itself, as tags and branches, stays as it was planned, and only has to be there still.
What people change, as the spec and the files beside it, has to be as it was.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from amikiln.aws.connect import AWS
from amikiln.errors import PreflightError
from amikiln.model.contents import hash_contents, index_by_hash
from amikiln.model.image import Image
from amikiln.model.plan import Context, Plan
from amikiln.model.plan_file import ADAPTER, PlanFile, serialize
from amikiln.model.strict import describe_first
from amikiln.model.verdict import VerdictFile
from amikiln.plan import differences, still_there
from amikiln.plan.bake_files import read_bake_files
from amikiln.plan.file import HINT
from amikiln.plan.network import let_this_machine_in
from amikiln.plan.registries import Pin, ask_registries
from amikiln.recipe import build_context, digest
from amikiln.session import Session
from amikiln.spec import own_files
from amikiln.spec.load import ImageFolder
from amikiln.version import __version__

CLOCKS_DIFFER = timedelta(minutes=1)
"""Plans are used on other machines than they were made on."""
MOST_NAMED = 20
"""Of a folder's files that differ."""
AGAIN = "plan again: `amikiln plan IMAGE --out FILE`"


def use_plan(file: PlanFile, folder: ImageFolder, session: Session, pin: Pin | None = None) -> Plan:
    """Return the plan of a file, if it still holds. Writes nothing.

    Args:
        file: The plan as it was read.
        folder: The image's folder as it is now.
        session: The cloud that the plan has to be for.
        pin: Asks for the images; by default their registries are asked.

    Raises:
        PreflightError: It is for another image, cloud, account or region, too old, or made by
            another amikiln; or what it was made from has changed, or is gone: all of that at once.
    """
    _check_place(file, folder, session)
    _check_time(file, folder)
    _check_version(file)
    warm, context = folder.spec.warm, None
    bake_files = read_bake_files(folder)
    if warm is not None and not warm.is_git:
        context = build_context.resolve_context(warm, folder.directory, bake_files)
    if changed := list(_compare_inputs(file, folder, context, bake_files)):
        raise PreflightError("\n".join(changed), hint=f"take the changes back, or {AGAIN}")
    planned = _restore(file, folder, context, bake_files, session)
    ask = pin or ask_registries(planned.spec, session)
    with session.waiter.span("looking for what was planned"):
        gone = list(still_there.find_missing(planned, session, ask))
    if gone:
        raise PreflightError("\n".join(gone), hint=AGAIN)
    return planned


def require_planned(image: Image, file: PlanFile, proof: object = None) -> None:
    """Refuse an image, or a verdict, of something else than a plan.

    An image without a tag, as another tool makes it, is for the checks to judge.

    Args:
        image: What was baked.
        file: The plan that it should be of.
        proof: Its verdict, if there is one already.

    Raises:
        PreflightError: It was baked, or verified, with another plan.
    """
    planned = str(file.fields.get("digest"))
    if image.digest and image.digest != planned:
        raise PreflightError(
            f"{image.id} was not baked from the plan {file.path}: its inputs are"
            f" {image.digest[:12]}, and the plan's are {planned[:12]}",
            hint="give the image that `amikiln bake --plan` made, or the plan that it is of",
        )
    if isinstance(proof, VerdictFile) and proof.verdict.plan_sha256 != file.sha256:
        raise PreflightError(
            f"the verdict of {image.id} is of the plan {proof.verdict.plan_sha256[:12]}, and"
            f" {file.path} is {file.sha256[:12]}",
            hint="give the plan that `amikiln verify --plan` was given",
        )


def _check_place(file: PlanFile, folder: ImageFolder, session: Session) -> None:
    """Refuse a plan that is for another image or another place, the largest difference first."""
    spec, origin, cloud = file.fields.get("spec"), file.origin, session.cloud
    spec = spec if isinstance(spec, dict) else {}
    for what, planned, now in (
        ("image", spec.get("name"), folder.spec.name),
        ("cloud", origin.cloud, cloud.name),
        ("account", origin.account, cloud.account),
        ("region", spec.get("region"), cloud.region),
    ):
        if planned != now:
            hint = f"use a plan of {now}, or {AGAIN}"
            if what == "cloud":
                planned, now = _describe_cloud(str(planned)), _describe_cloud(now)
                hint = f"give or leave out --local as for `amikiln plan`, or {AGAIN}"
                if AWS not in (origin.cloud, cloud.name):
                    hint = f"was it reset, or is AMIKILN_STATE another? If so, {AGAIN}"
            raise PreflightError(
                f"the plan {file.path} is for another {what}: {planned}, not {now}", hint=hint
            )


def _describe_cloud(name: str) -> str:
    return "AWS" if name == AWS else f"the local cloud {name}"


def _check_time(file: PlanFile, folder: ImageFolder) -> None:
    try:
        planned_at = datetime.fromisoformat(file.origin.planned_at)
        age = datetime.now(UTC) - planned_at
    except (ValueError, TypeError) as error:
        raise PreflightError(
            f"{file.path} is not a plan: origin.planned_at: {error}", hint=HINT
        ) from error
    hours, longest = age / timedelta(hours=1), folder.spec.plan.max_age_hours
    if age < -CLOCKS_DIFFER:
        raise PreflightError(
            f"the plan {file.path} was made in the future: at {file.origin.planned_at}",
            hint="correct the clock of this machine, or of that which planned",
        )
    if hours > longest:
        raise PreflightError(
            f"the plan {file.path} is {hours:.1f} h old, and plan.max_age_hours is {longest:g}",
            hint=AGAIN,
        )


def _check_version(file: PlanFile) -> None:
    planned = (file.origin.amikiln_version, file.origin.recipe)
    now = (__version__, digest.hash_recipe())
    if planned != now:
        versions = [
            f"amikiln {version} with the recipe {recipe[:12]}" for version, recipe in (planned, now)
        ]
        raise PreflightError(
            f"the plan {file.path} was made by {versions[0]}, and this is {versions[1]}",
            hint=f"use that amikiln, or {AGAIN}",
        )


def _compare_inputs(
    file: PlanFile, folder: ImageFolder, context: Context | None, bake_files: Mapping[str, bytes]
) -> Iterator[str]:
    """Yield a line for each difference between what was planned from, and what is there."""
    toml, today = folder.directory / folder.file_name, folder.spec.model_dump(mode="json")
    for line in differences.of_values(file.fields.get("spec"), today):
        yield f"{toml}: {line}"
    for field, name_file, found in (
        ("own_steps", own_files.name_step, folder.steps),
        ("own_checks", own_files.name_check, folder.checks),
    ):
        planned = file.fields.get(field)
        for name, line in differences.of_files(planned, hash_contents(found)):
            yield f"{folder.directory / name_file(name)} {line}"
    planned = file.fields.get("bake_files")
    for name, line in differences.of_files(planned, hash_contents(bake_files)):
        yield f"the bake file {name.partition('-')[2].partition('-')[2]} {line}"
    if context is not None:
        yield from _compare_context(file.fields.get("context"), context)


def _compare_context(planned: Any, now: Context) -> Iterator[str]:
    planned = planned if isinstance(planned, dict) else {}
    was = planned.get("identity")
    if was == now.identity:
        return
    files = planned.get("files")
    found = list(differences.of_files(files, now.files)) if files and now.files else []
    for name, line in found[:MOST_NAMED]:
        yield f"{now.folder / name} {line}"
    if len(found) > MOST_NAMED:
        yield f"{now.folder}: {len(found) - MOST_NAMED} more differ from the plan's"
    if not found:
        yield f"{now.folder} differs from the plan's: it was {was}, and is {now.identity}"


def _restore(
    file: PlanFile,
    folder: ImageFolder,
    context: Context | None,
    bake_files: Mapping[str, bytes],
    session: Session,
) -> Plan:
    """Return the plan with the contents that its file does not have, and this machine's address."""
    contents = index_by_hash(
        [*folder.steps.values(), *folder.checks.values(), *bake_files.values()]
    )
    # As it is written: not all pairs of keys may be given at once, whatever their values.
    spec = folder.spec.model_dump(mode="json", exclude_unset=True)
    try:
        planned = ADAPTER.validate_json(json.dumps({**file.fields, "spec": spec}), context=contents)
    except ValidationError as error:
        raise PreflightError(
            f"{file.path} is not a plan: {describe_first(error)}", hint=HINT
        ) from error
    network = let_this_machine_in(planned.network, planned.spec, session)
    planned = dataclasses.replace(planned, context=context or planned.context, network=network)
    if digest.add_digests(planned) != planned or serialize(planned) != file.content:
        raise PreflightError(
            f"{file.path} is not a plan: its digests are not those of what it names", hint=HINT
        )
    return planned
