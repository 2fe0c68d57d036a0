"""What verify proves, one function each, on a machine booted from the candidate.

A check returns what it found as evidence; one that could not be carried out is unknown, never
passed.
"""

from __future__ import annotations

import base64
import io
import json
import shlex
import tarfile
import tomllib
from collections.abc import Callable

from amikiln import recipe
from amikiln.guest import Guest, GuestCommandFailed
from amikiln.model import CheckResult, Outcome, Plan, canonical_json

COMMAND_SECONDS = 300
BUILDER_UP_SECONDS = 180
GC_WORDS = {True: "gc on", False: "gc off"}

Finding = tuple[Outcome, str, str]
Check = Callable[[Guest, Plan], Finding]


def boot_finished(guest: Guest, plan: Plan) -> Finding:
    """The system came up whole: no unit failed."""
    state = guest.run("systemctl is-system-running --wait || true", timeout_seconds=COMMAND_SECONDS)
    if state.strip() == "running":
        return Outcome.PASS, "all units are up", ""
    failed = guest.run(
        "systemctl list-units --failed --plain --no-legend", timeout_seconds=COMMAND_SECONDS
    )
    names = ", ".join(line.split()[0] for line in failed.splitlines() if line.strip())
    return (
        Outcome.FAIL,
        f"the system is {state.strip()}; failed units: {names or 'none'}",
        "`journalctl -u UNIT` on the machine says why",
    )


def builder_up(guest: Guest, plan: Plan) -> Finding:
    """The builder's container came back by itself, as it was baked."""
    container = shlex.quote(f"buildx_buildkit_{plan.spec.buildkit.builder}0")
    found = guest.run(
        f"timeout {BUILDER_UP_SECONDS} sh -c 'until docker inspect --format"
        ' "{{.State.Running}}" "$0" 2>/dev/null | grep -qx true; do sleep 1; done\''
        f" {container} || true; docker inspect --format '{{{{.State.Status}}}}"
        " {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.NetworkMode}} {{.Config.Image}}'"
        f" {container}",
        timeout_seconds=COMMAND_SECONDS,
    ).split()
    wanted = ["running", "always", "host", plan.buildkit.by_digest]
    return _compared(found, wanted, "status, restart policy, network, image")


def builder_answers(guest: Guest, plan: Plan) -> Finding:
    """The user that runs jobs has the builder in use, and its worker tells of its rules."""
    owner = shlex.quote(plan.spec.buildkit.owner)
    text = guest.run(
        f'runuser -u {owner} -- env HOME="$(getent passwd {owner} | cut -d: -f6)"'
        " docker buildx inspect",
        timeout_seconds=COMMAND_SECONDS,
    )
    fields: dict[str, str] = {}
    for key, _, value in (line.partition(":") for line in text.splitlines()):
        # The builder's own lines come first, its nodes' lines of the same names after them.
        fields.setdefault(key, value)
    buildkit = plan.spec.buildkit
    found = [fields.get(key, "").strip() for key in ("Name", "Driver", "Status")]
    # A worker lists the rules that it collects garbage by; without gc it has none.
    found.append(GC_WORDS["GC Policy rule#0" in fields])
    wanted = [buildkit.builder, "docker-container", "running", GC_WORDS[buildkit.gc]]
    return _compared(found, wanted, f"builder in use by {buildkit.owner}")


def builder_configured(guest: Guest, plan: Plan) -> Finding:
    """The configuration that the running builder was started with is the planned one."""
    container = shlex.quote(f"buildx_buildkit_{plan.spec.buildkit.builder}0")
    encoded = guest.run(
        f"docker cp {container}:/etc/buildkit/buildkitd.toml - | base64",
        timeout_seconds=COMMAND_SECONDS,
    )
    in_effect = tomllib.loads(_single_file(encoded))
    wanted = tomllib.loads(recipe.buildkitd_toml(plan))
    return _compared(
        [canonical_json(in_effect)], [canonical_json(wanted)], "buildkitd.toml in effect"
    )


def manifest_as_planned(guest: Guest, plan: Plan) -> Finding:
    """The image says of itself what was planned."""
    text = guest.run("cat /etc/amikiln/manifest.json", timeout_seconds=COMMAND_SECONDS)
    found, wanted = json.loads(text).get("planned"), recipe.manifest_of(plan)
    if found == wanted:
        return Outcome.PASS, f"/etc/amikiln/manifest.json names the inputs {plan.digest}", ""
    return _compared([canonical_json(found)], [canonical_json(wanted)], "manifest")


def images_present(guest: Guest, plan: Plan) -> Finding:
    """Every listed image is there, under its tag, with the planned digest."""
    missing = []
    for image in plan.images:
        digests = guest.run(
            "docker image inspect --format '{{json .RepoDigests}}'"
            f" {shlex.quote(image.reference)} || true",
            timeout_seconds=COMMAND_SECONDS,
        )
        if image.digest not in digests:
            missing.append(f"{image.by_digest} (there: {digests.strip() or 'nothing'})")
    if missing:
        return Outcome.FAIL, "missing: " + ", ".join(missing), "see the bake's 40-images step"
    return Outcome.PASS, f"{len(plan.images)} images, each by digest", ""


ALL: tuple[Check, ...] = (
    boot_finished,
    builder_up,
    builder_answers,
    builder_configured,
    manifest_as_planned,
    images_present,
)


def carry_out(check: Check, guest: Guest, plan: Plan) -> CheckResult:
    """Run one check; what keeps it from an answer makes it unknown."""
    name = check.__name__.replace("_", "-")
    try:
        outcome, evidence, hint = check(guest, plan)
    except GuestCommandFailed as error:
        outcome, evidence = Outcome.UNKNOWN, f"{error.what}: {error.tail.strip()}"
        hint = "run the command on the machine by hand"
    except (ValueError, KeyError, tarfile.TarError) as error:
        outcome, evidence = Outcome.UNKNOWN, f"the answer cannot be read: {error}"
        hint = "look at it on the machine by hand"
    return CheckResult(name, outcome, evidence, hint)


def _compared(found: list[str], wanted: list[str], what: str) -> Finding:
    if found == wanted:
        return Outcome.PASS, f"{what}: {' '.join(found)}", ""
    return (
        Outcome.FAIL,
        f"{what}: {' '.join(found) or 'nothing'}; wanted: {' '.join(wanted)}",
        "compare with the bake's log: this is set in the recipe's steps",
    )


def _single_file(encoded_tar: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(encoded_tar))) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        if member is None:
            raise ValueError("not a file")
        return member.read().decode()
