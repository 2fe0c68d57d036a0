"""The builder: up by itself, its owner's, and configured as planned; for either driver."""

from __future__ import annotations

import base64
import io
import shlex
import tarfile
import tomllib

from amikiln import recipe
from amikiln.checks.finding import Finding, Subject, compared
from amikiln.model import Outcome, canonical_json

GC_WORDS = {True: "gc on", False: "gc off"}
DRIVERS = {"docker-container": "docker-container", "systemd": "remote"}
"""buildx's name for the driver, by the spec's."""

SERVICE = {
    "ActiveState": "active",
    "UnitFileState": "enabled",
    "Nice": "10",
    "CPUWeight": "25",
    "OOMScoreAdjust": "-500",
    "LimitNOFILE": "1048576",
}
"""buildkit.service as builders/systemd.sh writes it, in systemd's own words."""


def builder_up(subject: Subject) -> Finding:
    """The builder came back by itself, within its bound, as it was baked."""
    if subject.plan.spec.buildkit.driver == "systemd":
        return _service_up(subject)
    container = _container(subject)
    found = subject.ask(
        f"timeout {_bound(subject)} sh -c 'until docker inspect --format"
        ' "{{.State.Running}}" "$0" 2>/dev/null | grep -qx true; do sleep 1; done\''
        f" {container} || true; docker inspect --format '{{{{.State.Status}}}}"
        " {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.NetworkMode}} {{.Config.Image}}'"
        f" {container}",
        timeout_seconds=_bound(subject) + 60,
    ).split()
    wanted = ["running", "always", "host", subject.plan.buildkit.by_digest]
    return compared(found, wanted, "status, restart policy, network, image")


def _service_up(subject: Subject) -> Finding:
    properties = " ".join(f"--property={name}" for name in SERVICE)
    said = subject.ask(
        f"timeout {_bound(subject)} sh -c"
        " 'until systemctl is-active --quiet buildkit.service; do sleep 1; done' || true;"
        f" systemctl show {properties} buildkit.service; cd /opt/buildkit &&"
        " sha256sum --check --status programs.sha256 && echo image=$(cat image)",
        timeout_seconds=_bound(subject) + 60,
    )
    fields = dict(line.partition("=")[::2] for line in said.splitlines())
    wanted = {**SERVICE, "image": subject.plan.buildkit.by_digest}
    return compared(
        [f"{name}={fields.get(name, '')}" for name in wanted],
        [f"{name}={value}" for name, value in wanted.items()],
        "buildkit.service, and the image that its programs are from",
    )


def builder_answers(subject: Subject) -> Finding:
    """The user that runs jobs has the builder in use, and its worker tells of its rules."""
    buildkit = subject.plan.spec.buildkit
    owner = shlex.quote(buildkit.owner)
    text = subject.ask(
        f'runuser -u {owner} -- env HOME="$(getent passwd {owner} | cut -d: -f6)"'
        " docker buildx inspect"
    )
    fields: dict[str, str] = {}
    for key, _, value in (line.partition(":") for line in text.splitlines()):
        # The builder's own lines come first, its nodes' lines of the same names after them.
        fields.setdefault(key, value)
    found = [fields.get(key, "").strip() for key in ("Name", "Driver", "Status")]
    # A worker lists the rules that it collects garbage by; without gc it has none.
    found.append(GC_WORDS["GC Policy rule#0" in fields])
    wanted = [buildkit.builder, DRIVERS[buildkit.driver], "running", GC_WORDS[buildkit.gc]]
    return compared(found, wanted, f"builder in use by {buildkit.owner}")


def builder_configured(subject: Subject) -> Finding:
    """The configuration that the running builder was started with is the planned one."""
    if subject.plan.spec.buildkit.driver == "systemd":
        # Its start script names the file; a file that is newer than its start says nothing.
        text = subject.ask(
            "file=/etc/buildkit/buildkitd.toml;"
            " main=$(systemctl show --property=MainPID --value buildkit.service);"
            " tr '\\0' '\\n' <\"/proc/$main/cmdline\" | grep -qxF \"$file\" &&"
            ' [ "$(stat -c %Y "$file")" -le "$(stat -c %Y "/proc/$main")" ] && cat "$file"'
        )
    else:
        text = _single_file(
            subject.ask(f"docker cp {_container(subject)}:/etc/buildkit/buildkitd.toml - | base64")
        )
    in_effect = tomllib.loads(text)
    wanted = tomllib.loads(recipe.buildkitd_toml(subject.plan))
    return compared(
        [canonical_json(in_effect)], [canonical_json(wanted)], "buildkitd.toml in effect"
    )


def nothing_prunes(subject: Subject) -> Finding:
    """Nothing that runs by itself removes what the image was baked for."""
    said = subject.ask(f"cd {recipe.REMOTE_DIRECTORY} && sh -eu pruners.sh && echo done")
    lines = said.splitlines()
    if not lines or lines.pop() != "done":
        raise ValueError("the search was not gone through to its end")
    found = [line.split("\t") for line in lines]
    # It prunes only where the disk is nearly full, and room-on-disk looks after that.
    harmless = [name for name, _ in found if "low-disk" in name]
    faults = [f"{name} ({file})" for name, file in found if "low-disk" not in name]
    if faults:
        return (
            Outcome.FAIL,
            "prunes by itself: " + ", ".join(faults),
            "let a step of your own mask it, as `systemctl mask docker-gc.timer`",
        )
    but = f"; {', '.join(harmless)} does when the disk is nearly full" if harmless else ""
    return Outcome.PASS, f"no timer and no cron file prunes{but}", ""


def _bound(subject: Subject) -> int:
    return subject.plan.spec.verify.builder_up_seconds


def _container(subject: Subject) -> str:
    return shlex.quote(f"buildx_buildkit_{subject.plan.spec.buildkit.builder}0")


def _single_file(encoded_tar: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(encoded_tar))) as tar:
        member = tar.extractfile(tar.getmembers()[0])
        if member is None:
            raise ValueError("not a file")
        return member.read().decode()
