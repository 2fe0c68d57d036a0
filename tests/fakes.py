"""Fakes: a clock without waiting, a guest without a machine, a scanner that scans nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from amikiln.model.plan import Context, Network, Origin, PinnedImage, Plan, SourceImage
from amikiln.recipe import digest, render, scanner
from amikiln.runtime.guest import GuestCommandFailed, Login
from amikiln.spec.spec import Spec


class Recorder:
    """A reporter that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def group(self, title: str) -> None:
        self.said.append(f"--- {title}")

    def line(self, text: str) -> None:
        self.said.append(text)

    def read(self, since: int = 0) -> str:
        """Return what was said, without so many of its first lines."""
        return "\n".join(self.said[since:])

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        self.said.append(f"{text} ...")
        yield


class Clock:
    """Time that passes only by pausing."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def read(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def spec_values(**changes: object) -> dict[str, object]:
    """Return a small valid spec, with some top-level values replaced."""
    return {
        "name": "cpu-build",
        "region": "us-east-1",
        "ami_name_prefix": "test-image",
        "source": {"name": "amikiln-base-debian-13-x86_64", "owner": "136693071363"},
        "instance": {"types": ["t3.micro"], "ssh_from": "127.0.0.1/32"},
        "volume": {"size_gib": 12},
        "docker": {"images": ["registry.example/team/app:latest"]},
        "buildkit": {"builder": "baked-vllm-builder"},
        "warm": {"context": "warm", "dockerfile": "Dockerfile"},
        "publish": {"parameter": "/buildkite/cpu-build-ami/{region}"},
        **changes,
    }


def spec(**changes: object) -> Spec:
    return Spec.model_validate(spec_values(**changes))


def pin(references: object, architecture: str = "x86_64") -> tuple[PinnedImage, ...]:
    """Give every tag a digest made from its name, and every digest itself."""
    return tuple(
        PinnedImage(reference, digest)
        for reference in references  # type: ignore[attr-defined]
        for made in [f"sha256:{hashlib.sha256(reference.encode()).hexdigest()}"]
        for digest in [reference.partition("@")[2] or made]
    )


ORIGIN = Origin(
    spec_file="images/cpu-build/image.toml",
    local=False,
    changes=(),
    planned_at="2026-11-24T06:00:00+00:00",
    amikiln_version="0.0.1",
    recipe="a" * 64,
    cloud="aws",
    account="123456789012",
)


def plan(**changes: object) -> Plan:
    return plan_of(spec(**changes))


def plan_of(wanted: Spec) -> Plan:
    """Return a plan of a spec that always finds the same source image, network and context."""
    builder, *images = pin([wanted.buildkit.image, *wanted.docker.images])
    source = SourceImage("ami-0123456789abcdef0", "base", "/dev/sda1", 4, None)
    network = Network(("subnet-0123456789abcdef0",), None, "127.0.0.1/32", "vpc-1")
    types = wanted.instance.types
    return digest.add_digests(
        Plan(
            origin=ORIGIN,
            spec=wanted,
            source=source,
            instance_types=types,
            fleet_types=wanted.fleet.instance_types or types,
            network=network,
            images=tuple(images),
            buildkit=builder,
            own_steps={},
            own_checks={},
            context=Context(f"sha256:{'c' * 64}", Path("warm"), None),
            bake_files={},
            digest="",
            proof_digest="",
        )
    )


def render_build_log(*steps: tuple[str, float | None]) -> str:
    """Return what BuildKit says of a build.

    Args:
        steps: Name and seconds of each; None for one that came out of the cache.
    """
    lines = []
    for name, seconds in steps:
        begun = {"digest": f"sha256:{name}", "name": name, "started": "2026-01-01T00:00:00Z"}
        ended = {**begun, "completed": f"2026-01-01T00:00:{seconds or 0:09.6f}Z"}
        if seconds is None:
            ended["cached"] = True  # type: ignore[assignment]
        lines += [json.dumps({"vertexes": [it]}, separators=(",", ":")) for it in (begun, ended)]
    return "\n".join(lines) + "\n"


COLD = render_build_log(("[1/2] FROM base", 9.0), ("[2/2] RUN make", 30.0), ("[3/3] COPY . .", 0.5))
WARM = render_build_log(
    ("[1/2] FROM base", 0.1), ("[2/2] RUN make", None), ("[3/3] COPY . .", None)
)
FAKE_SCANNER = {scanner.PROGRAM: b"#!/bin/sh\n", f"{scanner.CACHE_FOLDER}/rules": b"compiled"}
SCAN = {"scanner": "kingfisher 2.14.0", "files": 9, "open": 0, "allowed": [], "source": []}

STORE = {"records": 17, "bytes": 400_000_000}
IMAGES = {"registry.example/team/app:latest": {"id": "sha256:1", "size": 2 * 1024**3}}
DOCKER_STORE = {"driver": "overlay2", "data_root": "/var/lib/docker"}

JOBS = "".join(
    f"{case}\tbaked-vllm-builder docker-container running\n"
    for case in ("named", "unnamed", "home-folder", "plugin", "beside-it")
)
JOBS += "own\tamikiln-own docker-container inactive\nuntouched\tyes\n"


@dataclass
class Script:
    """What fake guests answer, and what they were asked.

    Attributes:
        planned: What the booted image says of itself: set when the recipe was sent.
        refuse: Called with each command; raises to let it fail.
    """

    asked: list[str] = field(default_factory=list)
    short_list: str = "done\n"
    file_hash: str = "0" * 64
    planned: dict[str, object] = field(default_factory=dict)
    toml: bytes = b""
    builder: list[str] = field(default_factory=list)
    owner_builder: str = "baked-vllm-builder"
    worker_rules: str = ""
    cold: str = COLD
    warm: str = WARM
    manifest: dict[str, object] = field(default_factory=dict)
    machine: str = "amazon"
    docker_store: str = "overlay2 /var/lib/docker"
    store: str = json.dumps(STORE) + "\n"
    pruners: str = ""
    jobs: str = JOBS
    repo_digests: str = ""
    boot: str = "absent\n"
    programs: str = ""
    units: str = "buildkite-agent.service\tloaded\tbuildkite-agent\n"
    free_kib: int = 50 * 1024**2
    free_inodes: int = 10_000_000
    used_kib: int = 3 * 1024**2
    sent: dict[str, bytes] = field(default_factory=dict)
    read: str = WARM
    parts: str = ""
    refuse: Callable[[str], None] = lambda command: None
    knocks_before_answer: int = 0

    def report_warm_builds(self) -> str:
        """Return what check-warm.sh prints."""
        return f"{self.warm}ended ask 0 0.5 0\n{self.read}ended read 0 2.5 36700000\n{self.parts}"


class FakeGuest:
    """A guest that answers the recipe and the checks as a good machine would."""

    def __init__(self, login: Login, script: Script) -> None:
        self.login = login
        self.script = script

    def knock(self) -> str | None:
        self._ask("knock")
        if self.script.knocks_before_answer > 0:
            self.script.knocks_before_answer -= 1
            return "Connection refused"
        return None

    def run(
        self, command: str, *, input: bytes | IO[bytes] | None = None, timeout_seconds: float
    ) -> str:
        self._ask(command)
        if input is not None:
            self.script.sent[command] = input if isinstance(input, bytes) else input.read()
        manifest = {
            "planned": self.script.planned,
            "docker_store": DOCKER_STORE,
            "images": IMAGES,
            "store": STORE,
            "scan": SCAN,
        }
        for word, answer in {
            "detect_machine": f"{self.script.machine}\n",
            "is-system-running": "running\n",
            "RestartPolicy": " ".join(self.script.builder) + "\n",
            "buildx inspect": f"Name: {self.script.owner_builder}\nDriver: docker-container\n"
            f"Nodes:\nName: node0\nStatus: running\n{self.script.worker_rules}",
            "docker cp": "",
            "print_builder_store": self.script.store,
            "pruners.sh": self.script.pruners + "done\n",
            "manifest.json": json.dumps(manifest | self.script.manifest),
            "sha256sum <": f"{self.script.file_hash}  -\n",
            "short-list.sh": self.script.short_list,
            "fleet.sh boot": self.script.boot,
            "fleet.sh programs": self.script.programs + "done\n",
            "fleet.sh units": self.script.units + "done\n",
            "docker info": self.script.docker_store,
            "output=used": f"{self.script.used_kib}\n",
            "output=avail": f"{self.script.free_kib}\n",
            "output=iavail": f"{self.script.free_inodes}\n",
            "check-warm.sh": self.script.report_warm_builds(),
            "warm.rawjson": self.script.cold,
            "RepoDigests": self.script.repo_digests
            or f"there: {json.dumps(self.script.planned.get('images'))}\n",
            "check-jobs.sh": self.script.jobs + "done\n",
        }.items():
            if word in command:
                return (
                    make_tar("buildkitd.toml", self.script.toml) if word == "docker cp" else answer
                )
        return ""

    def stream(
        self, command: str, on_line: Callable[[str], None], *, timeout_seconds: float
    ) -> None:
        self._ask(command)
        on_line("done")

    def leave(self) -> None:
        self._ask("leave")

    def _ask(self, command: str) -> None:
        self.script.asked.append(command)
        self.script.refuse(command)


def obey(script: Script, planned: Plan) -> None:
    """Let guests look as if this plan had been baked."""
    script.planned = render.describe_plan(planned)
    script.toml = render.render_buildkitd_toml(planned.spec).encode()
    script.builder = ["running", "always", "host", planned.buildkit.by_digest]


def fail_on(word: str) -> Callable[[str], None]:
    """Return a refusal of the commands that hold a word."""

    def refuse(command: str) -> None:
        if word in command:
            raise GuestCommandFailed(command, 1, "it broke")

    return refuse


def make_tar(name: str, content: bytes) -> str:
    """Return a tar file with one entry, base64, as ``docker cp - | base64`` prints it."""
    archive = render.Recipe({name: content}).pack()
    return base64.b64encode(archive).decode()
