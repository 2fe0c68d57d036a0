"""Tools that only pretend: a clock without waiting, a guest without a machine."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from amikiln import recipe
from amikiln.guest import GuestCommandFailed, Login
from amikiln.model import Network, PinnedImage, Plan, SourceImage
from amikiln.spec import Spec


class Recorder:
    """A reporter that remembers what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def group(self, title: str) -> None:
        self.said.append(f"--- {title}")

    def line(self, text: str) -> None:
        self.said.append(text)

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
        "fleet": {"auto_scaling_groups": ["cpu-build"]},
        **changes,
    }


def spec(**changes: object) -> Spec:
    return Spec.model_validate(spec_values(**changes))


def pin(references: object) -> tuple[PinnedImage, ...]:
    """Give every reference a digest made from its name."""
    return tuple(
        PinnedImage(reference, f"sha256:{hashlib.sha256(reference.encode()).hexdigest()}")
        for reference in references  # type: ignore[attr-defined]
    )


def plan(**changes: object) -> Plan:
    wanted = spec(**changes)
    builder, *images = pin([wanted.buildkit.image, *wanted.docker.images])
    source = SourceImage("ami-0123456789abcdef0", "base", "/dev/sda1")
    network = Network(("subnet-0123456789abcdef0",), None, "127.0.0.1/32")
    types = wanted.instance.types
    return Plan(wanted, source, types, network, tuple(images), builder, {}, "d" * 64)


@dataclass
class Script:
    """What pretended guests answer, and what they were asked.

    Attributes:
        planned: What the booted image says of itself: set when the recipe was sent.
        refuse: Called with each command; raises to let it fail.
    """

    asked: list[str] = field(default_factory=list)
    planned: dict[str, object] = field(default_factory=dict)
    toml: bytes = b""
    builder: list[str] = field(default_factory=list)
    owner_builder: str = "baked-vllm-builder"
    worker_rules: str = ""
    refuse: Callable[[str], None] = lambda command: None
    knocks_before_answer: int = 0


class PretendGuest:
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

    def run(self, command: str, *, input: bytes | None = None, timeout_seconds: float) -> str:
        self._ask(command)
        for word, answer in {
            "is-system-running": "running\n",
            "RestartPolicy": " ".join(self.script.builder) + "\n",
            "buildx inspect": f"Name: {self.script.owner_builder}\nDriver: docker-container\n"
            f"Nodes:\nName: node0\nStatus: running\n{self.script.worker_rules}",
            "docker cp": "",
            "manifest.json": json.dumps({"planned": self.script.planned}),
            "RepoDigests": json.dumps(self.script.planned.get("images")),
        }.items():
            if word in command:
                return tar_of("buildkitd.toml", self.script.toml) if word == "docker cp" else answer
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
    script.planned = recipe.manifest_of(planned)
    script.toml = recipe.buildkitd_toml(planned).encode()
    script.builder = ["running", "always", "host", planned.buildkit.by_digest]


def failing(word: str) -> Callable[[str], None]:
    """Return a refusal of the commands that hold a word."""

    def refuse(command: str) -> None:
        if word in command:
            raise GuestCommandFailed(command, 1, "it broke")

    return refuse


def tar_of(name: str, content: bytes) -> str:
    """Return a tar file with one entry, base64, as ``docker cp - | base64`` prints it."""
    archive = recipe.Recipe({name: content}).archive()
    return base64.b64encode(archive).decode()
