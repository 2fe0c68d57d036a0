"""Results on stdout: tables for people, or with ``--json`` the records."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from amikiln.machine.virtualization import describe_machine
from amikiln.model.fleet import FleetGroup, FleetMachine
from amikiln.model.image import PublishResult
from amikiln.model.plan import Plan
from amikiln.model.result import BakeResult, RunResult
from amikiln.model.verdict import Verdict
from amikiln.report.status import Status, list_machines
from amikiln.spec import timing
from amikiln.spec.registries import Login, PasswordLogin
from amikiln.spec.spec import WARM_CHECK, Spec

# Lines in a file or a pipe are not wrapped at 80: an id in two parts cannot be searched for.
WIDTH_WITHOUT_TERMINAL = 200
NOT_WARM = "NOT PROVEN WARM: the spec says warm = false, so no build is tried on it"


def to_json(value: Any) -> str:
    """Return records as JSON."""
    return json.dumps(value, default=_to_plain, indent=2)


def print_json(value: Any) -> None:
    """Print records as JSON."""
    print(to_json(value))


def print_plan(plan: Plan) -> None:
    """Print what a run would do."""
    # What status has no need of, and takes long to import.
    from amikiln.plan.room import estimate_room
    from amikiln.recipe.render import render_recipe

    spec, network, volume = plan.spec, plan.network, plan.spec.volume
    table = _make_table("would bake", spec.name)
    table.add_row("inputs", plan.digest)
    table.add_row("proof", plan.proof_digest)
    table.add_row("source", f"{plan.source.id} ({plan.source.name})")
    table.add_row("machine", f"{', '.join(plan.instance_types)} in {', '.join(network.subnet_ids)}")
    wanted = {*spec.instance.types, *spec.fleet.instance_types}
    if left_out := wanted - {*plan.instance_types, *plan.fleet_types}:
        table.add_row("left out", f"{', '.join(sorted(left_out))}: not offered in {spec.region}")
    group = network.security_group_id or f"its own, ssh from {network.ssh_from or 'nowhere'}"
    table.add_row("security group", group)
    needs = {
        "bake": timing.sum_bake_machine(spec, len(plan.own_steps)),
        "verify": timing.sum_verify_machine(spec, len(plan.own_checks)),
    }
    for stage, needed in needs.items():
        minutes = timing.machine_minutes(spec, needed)
        ends = f"the machine of {stage} ends itself after {minutes} min"
        table.add_row(
            "timer", f"{ends}; it may be needed for {needed.minutes}: {needed.describe()}"
        )
    table.add_row(
        "whole run", f"{plan.longest('run').minutes} min at most, by the spec's deadlines"
    )
    table.add_row("reached by", _describe_way(plan))
    encryption = f", encrypted with {volume.kms_key}" if volume.kms_key else ""
    table.add_row(
        "volume",
        f"gp3, {volume.size_gib} GiB, {volume.iops} IOPS, {volume.throughput_mib} MiB/s"
        + encryption,
    )
    own = spec.tags
    table.add_row("own tags", ", ".join(f"{key}={own[key]}" for key in own) or "none")
    table.add_row("room", f"needs {estimate_room(plan).describe()}")
    table.add_row(
        "builder",
        f"{spec.buildkit.builder} of {spec.buildkit.owner}, {spec.buildkit.driver},"
        f" {plan.buildkit.by_digest},"
        f" max-parallelism {spec.buildkit.max_parallelism}, gc {str(spec.buildkit.gc).lower()}",
    )
    for host, login in spec.docker.logins.items():
        table.add_row("login", f"{host}: {_describe_login(login)}")
    for host, mirrors in spec.mirrors.items():
        table.add_row("mirror", f"{', '.join(mirrors)} for {host}")
    for image in plan.images:
        table.add_row("image", f"{image.reference} = {image.digest}")
    for step in render_recipe(plan).steps:
        table.add_row("step", step + (" (own)" if step in plan.own_steps else ""))
    table.add_row("warm build", _describe_warm_build(plan))
    for name in plan.own_checks:
        table.add_row("check", f"checks/{name}.sh (own)")
    table.add_row("AMI", f"{spec.ami_name_prefix}-..., deprecated {spec.deprecate_days} days later")
    table.add_row("pointer", f"{spec.pointer} ({spec.publish.data_type})")
    table.add_row("followed by", _describe_fleet(spec))
    _make_console().print(table)


def _describe_login(login: Login) -> str:
    if isinstance(login, PasswordLogin):
        return f"{login.username}, whose password is the secret {login.secret}"
    return {"ecr": "by the run's AWS credentials", "docker": "as Docker here logs in"}[login]


def _describe_way(plan: Plan) -> str:
    network, instance = plan.network, plan.spec.instance
    if network.connect == "session-manager":
        way = "ssh through Session Manager"
    else:
        way = f"ssh to its {network.connect} address"
    if network.public_address is not None:
        way += f", public address {'asked for' if network.public_address else 'refused'}"
    role = f"instance profile {instance.profile}" if instance.profile else "no role"
    return f"{way}; {role}, {instance.market}"


def print_run(result: RunResult, controller_seconds: float) -> None:
    """Print what a run did, and where its time went."""
    table = _make_table("run", result.run.id)
    table.add_row("image", f"{result.image.id} ({result.image.name})")
    if result.skipped:
        table.add_row("skipped", f"{', '.join(result.skipped)}: {result.because}")
    if result.verdict is not None:
        passed = ", ".join(check.name for check in result.verdict.checks)
        table.add_row("verdict", f"{result.verdict.outcome}: {passed}")
        table.add_row("checked on", describe_machine(result.verdict.machine))
        for check in result.verdict.checks:
            if check.figures:
                table.add_row(check.name, check.evidence)
    if WARM_CHECK in result.plan.spec.not_asked:
        table.add_row("NOT WARM", f"{result.image.id} is {NOT_WARM}")
    table.add_row("pointer", _describe_pointer(result.published))
    for what in result.missing_groups:
        table.add_row("NOT THERE", f"{what}: nothing launches the image; the next run fails for it")
    for group, machine in list_machines(result.turnover):
        table.add_row("machine", _describe_machine(group, machine))
    table.add_row("seconds", _describe_stages(result.seconds))
    table.add_row("controller", f"{controller_seconds:.1f} s of its own, not waiting")
    _make_console().print(table)


def print_bake(result: BakeResult) -> None:
    """Print the image that a run baked and nothing has verified yet."""
    table = _make_table("run", result.run.id)
    table.add_row("image", f"{result.image.id} ({result.image.name})")
    table.add_row("inputs", result.digest)
    table.add_row("verdict", "none yet")
    table.add_row("seconds", _describe_stages(result.seconds))
    _make_console().print(table)


def print_verdict(verdict: Verdict, file: Path) -> None:
    """Print what each check found, and where the verdict was written."""
    table = Table("check", "found", "evidence")
    table.columns[2].overflow = "fold"
    for check in verdict.checks:
        evidence = f"{check.evidence}\n{check.hint}" if check.hint else check.evidence
        table.add_row(check.name, check.outcome, evidence)
    console = _make_console()
    console.print(table)
    machine = describe_machine(verdict.machine)
    text = f"{verdict.image_id}: {verdict.outcome} ({file}), checked on: {machine}"
    console.print(text, soft_wrap=True)
    if WARM_CHECK in verdict.not_asked:
        console.print(f"{verdict.image_id} is {NOT_WARM}", soft_wrap=True)


def print_publish(published: PublishResult) -> None:
    """Print the pointer after publishing."""
    table = _make_table("image", published.image_id)
    table.add_row("pointer", _describe_pointer(published))
    if published.forced is not None:
        table.add_row("WITHOUT PROOF", published.forced)
    _make_console().print(table)


def print_groups(groups: tuple[FleetGroup, ...]) -> None:
    """Print the machines of the groups, and which image each runs."""
    table = Table("group", "machine", "state", "image", "address")
    for group, machine in list_machines(groups):
        mark = "published" if machine.image_id == group.image_id else "old"
        table.add_row(
            group.group, machine.id, machine.state, f"{machine.image_id} ({mark})", machine.address
        )
    console = _make_console()
    console.print(table)
    for group in groups:
        if not group.follows:
            launched = f"{group.launch_image or 'no image'} from {group.launch_source}"
            console.print(f"{group.group} does NOT follow the pointer: {launched}")


def print_status(found: Status) -> None:
    """Print pointer, images and machines."""
    console = _make_console()
    version = f" (version {found.pointer_version})" if found.pointer_version else ""
    console.print(f"{found.pointer} = {found.published_image or 'nothing yet'}{version}")
    table = Table("image", "name", "created (UTC)", "state", "verdict", "deprecated from")
    table.columns[1].overflow = "fold"
    for image in found.images:
        name = f"{image.id} *" if image.published else image.id
        table.add_row(
            name,
            image.name,
            _format_minute(image.created),
            image.state,
            f"{image.verdict}, NOT WARM" if WARM_CHECK in image.not_asked else image.verdict,
            _format_minute(image.deprecated_from or ""),
        )
    console.print(table)
    for image in found.images:
        if WARM_CHECK in image.not_asked:
            console.print(f"{image.id} is {NOT_WARM}", soft_wrap=True)
        if image.forced is not None:
            text = f"{image.id} was published WITHOUT PROOF: {image.forced}"
            console.print(text, soft_wrap=True)
    if found.groups:
        print_groups(found.groups)
    for what in found.missing_groups:
        console.print(f"there is NO {what}", soft_wrap=True)
    if not found.groups and not found.missing_groups:
        console.print("the spec names no Auto Scaling group")


def _describe_warm_build(plan: Plan) -> str:
    from amikiln.recipe.build_context import describe_lfs

    warm, context = plan.spec.warm, plan.context
    if warm is None or context is None:
        return f"NONE: the image will be {NOT_WARM}"
    files = (
        ", ".join(entry.shown for entry in warm.bake_files)
        or warm.dockerfile
        or "the context's own bake file"
    )
    lfs = describe_lfs(context)
    return (
        f"{', '.join(warm.targets)} of {files}, in {warm.context} = {context.identity}"
        + (", with its submodules" if context.submodules else "")
        + (f"\n{lfs}" if lfs else "")
    )


def _format_minute(moment: str) -> str:
    """Return a time of AWS's to the minute: ``2026-11-24 06:00``."""
    return moment[:16].replace("T", " ")


def _describe_pointer(published: PublishResult) -> str:
    before = published.previous_image_id or "nothing"
    now = f"{published.parameter} = {published.image_id} (version {published.version}"
    return f"{now}; before: {before})"


def _describe_stages(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{stage} {took:.1f}" for stage, took in seconds.items())


def _make_table(*title: str) -> Table:
    table = Table(*title)
    table.columns[1].overflow = "fold"
    return table


def _describe_fleet(spec: Spec) -> str:
    fleet = spec.fleet
    ways = [
        *fleet.auto_scaling_groups,
        *(f"those of the stack {name}" for name in fleet.stacks),
        *(f"those with the tag {key}={value}" for key, value in fleet.group_tags.items()),
    ]
    return ", ".join(ways) or "no group"


def _describe_machine(group: FleetGroup, machine: FleetMachine) -> str:
    fate = "current" if machine.image_id == group.image_id else "replaced when its job ends"
    return f"{group.group}: {machine.id} {machine.state}, {machine.image_id} ({fate})"


def _make_console() -> Console:
    # Names of images and groups may hold [brackets], which rich would take for its markup.
    console = Console(markup=False)
    if not console.is_terminal:
        console = Console(markup=False, width=WIDTH_WITHOUT_TERMINAL)
    return console


def _to_plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)
