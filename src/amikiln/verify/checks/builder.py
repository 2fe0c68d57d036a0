"""The builder: it starts by itself, jobs use it, and it is configured as planned."""

from __future__ import annotations

import base64
import io
import shlex
import tarfile
import tomllib

from amikiln.model.canonical import canonical_json
from amikiln.recipe import render
from amikiln.verify.checks import service
from amikiln.verify.checks.finding import (
    Finding,
    Subject,
    compare,
    failed,
    passed,
    wait_until,
)
from amikiln.verify.checks.jobs import DRIVERS, HOOK_HINT

GC_WORDS = {True: "gc on", False: "gc off"}


def builder_up(subject: Subject) -> Finding:
    """The builder came back by itself, in time, as it was baked."""
    if subject.plan.spec.buildkit.driver == "systemd":
        return service.check_service(subject)
    container = _container(subject)
    bound = subject.plan.spec.verify.builder_up_seconds
    runs = f"docker inspect --format '{{{{.State.Running}}}}' {container} | grep -x true"
    found = subject.ask(
        f"{wait_until(runs, bound)} || true; docker inspect --format '{{{{.State.Status}}}}"
        " {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.NetworkMode}} {{.Config.Image}}'"
        f" {container}",
        timeout_seconds=bound + 60,
    ).split()
    wanted = ["running", "always", "host", subject.plan.buildkit.by_digest]
    return compare(found, wanted, "status, restart policy, network, image")


def builder_answers(subject: Subject) -> Finding:
    """The builder is the one that jobs use, and collects garbage or not."""
    buildkit = subject.plan.spec.buildkit
    output = subject.ask_job("docker buildx inspect")
    fields: dict[str, str] = {}
    for key, _, value in (line.partition(":") for line in output.splitlines()):
        # The builder's own lines come first, its nodes' lines of the same names after them.
        fields.setdefault(key, value)
    found = [fields.get(key, "").strip() for key in ("Name", "Driver", "Status")]
    # A worker lists the rules that it collects garbage by; without gc it has none.
    found.append(GC_WORDS["GC Policy rule#0" in fields])
    wanted = [buildkit.builder, DRIVERS[buildkit.driver], "running", GC_WORDS[buildkit.gc]]
    if found[0] != wanted[0]:
        return failed(
            f"builder in use by jobs: {' '.join(found)}; wanted: {' '.join(wanted)}", HOOK_HINT
        )
    return compare(found, wanted, "builder in use by jobs")


def builder_configured(subject: Subject) -> Finding:
    """The running builder was started with the planned configuration."""
    try:
        in_effect = tomllib.loads(_read_configuration(subject))
    except service.ConfigurationChanged as error:
        return failed(str(error), "restart it, or see what changed the file")
    wanted = tomllib.loads(render.render_buildkitd_toml(subject.plan.spec))
    return compare(
        [canonical_json(in_effect)],
        [canonical_json(wanted)],
        "buildkitd.toml in effect",
    )


def _read_configuration(subject: Subject) -> str:
    if subject.plan.spec.buildkit.driver == "systemd":
        return service.read_configuration(subject)
    return _read_single_file(
        subject.ask(f"docker cp {_container(subject)}:/etc/buildkit/buildkitd.toml - | base64")
    )


def nothing_prunes(subject: Subject) -> Finding:
    """Nothing that runs by itself removes what the image was baked for."""
    rows = subject.read_rows("sh -eu pruners.sh")
    # What prunes only when the disk is nearly full is room-on-disk's concern.
    harmless = [name for when, name, _ in rows if when == "low-disk"]
    faults = [f"{name} ({file})" for when, name, file in rows if when != "low-disk"]
    if faults:
        return failed(
            "prunes by itself: " + ", ".join(faults),
            "take its prune out in a step of your own; a unit of the Elastic CI Stack must not be"
            " masked, for its boot scripts enable it: give the service a drop-in with another"
            " ExecStart",
        )
    but = f"; {', '.join(harmless)} does when the disk is nearly full" if harmless else ""
    return passed(f"no timer, no service at boot, no cron file and no hook prunes{but}")


def _container(subject: Subject) -> str:
    return shlex.quote(f"buildx_buildkit_{subject.plan.spec.buildkit.builder}0")


def _read_single_file(encoded_tar: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(encoded_tar))) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        if member is None:
            raise ValueError("not a file")
        return member.read().decode()
