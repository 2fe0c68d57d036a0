"""The builder: up by itself, its owner's, and configured as planned."""

from __future__ import annotations

import base64
import io
import shlex
import tarfile
import tomllib

from amikiln import recipe
from amikiln.checks.finding import Finding, Subject, compared
from amikiln.model import canonical_json

BUILDER_UP_SECONDS = 180
GC_WORDS = {True: "gc on", False: "gc off"}


def builder_up(subject: Subject) -> Finding:
    """The builder's container came back by itself, as it was baked."""
    container = shlex.quote(f"buildx_buildkit_{subject.plan.spec.buildkit.builder}0")
    found = subject.ask(
        f"timeout {BUILDER_UP_SECONDS} sh -c 'until docker inspect --format"
        ' "{{.State.Running}}" "$0" 2>/dev/null | grep -qx true; do sleep 1; done\''
        f" {container} || true; docker inspect --format '{{{{.State.Status}}}}"
        " {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.NetworkMode}} {{.Config.Image}}'"
        f" {container}"
    ).split()
    wanted = ["running", "always", "host", subject.plan.buildkit.by_digest]
    return compared(found, wanted, "status, restart policy, network, image")


def builder_answers(subject: Subject) -> Finding:
    """The user that runs jobs has the builder in use, and its worker tells of its rules."""
    owner = shlex.quote(subject.plan.spec.buildkit.owner)
    text = subject.ask(
        f'runuser -u {owner} -- env HOME="$(getent passwd {owner} | cut -d: -f6)"'
        " docker buildx inspect"
    )
    fields: dict[str, str] = {}
    for key, _, value in (line.partition(":") for line in text.splitlines()):
        # The builder's own lines come first, its nodes' lines of the same names after them.
        fields.setdefault(key, value)
    buildkit = subject.plan.spec.buildkit
    found = [fields.get(key, "").strip() for key in ("Name", "Driver", "Status")]
    # A worker lists the rules that it collects garbage by; without gc it has none.
    found.append(GC_WORDS["GC Policy rule#0" in fields])
    wanted = [buildkit.builder, "docker-container", "running", GC_WORDS[buildkit.gc]]
    return compared(found, wanted, f"builder in use by {buildkit.owner}")


def builder_configured(subject: Subject) -> Finding:
    """The configuration that the running builder was started with is the planned one."""
    container = shlex.quote(f"buildx_buildkit_{subject.plan.spec.buildkit.builder}0")
    encoded = subject.ask(f"docker cp {container}:/etc/buildkit/buildkitd.toml - | base64")
    in_effect = tomllib.loads(_single_file(encoded))
    wanted = tomllib.loads(recipe.buildkitd_toml(subject.plan))
    return compared(
        [canonical_json(in_effect)], [canonical_json(wanted)], "buildkitd.toml in effect"
    )


def _single_file(encoded_tar: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(encoded_tar))) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        if member is None:
            raise ValueError("not a file")
        return member.read().decode()
