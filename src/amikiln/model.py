"""The records that stages hand to each other. Frozen: what is planned once stays as planned."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from amikiln import __version__
from amikiln.spec import Spec

TAG_IMAGE = "amikiln:image"
TAG_RUN = "amikiln:run"
TAG_DIGEST = "amikiln:digest"
TAG_EXPIRES = "amikiln:expires"
TAG_KEPT = "amikiln:kept"
TAG_VERDICT = "amikiln:verdict"
TAG_VERDICT_HASH = "amikiln:verdict-sha256"
TAG_FORCED = "amikiln:forced"
"""Why somebody published an image without proof."""

LONGEST_REASON = 255

READ_STRICTLY = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)
"""How records are read back from files, and described in a schema."""


@dataclass(frozen=True)
class Run:
    """One run of the pipeline; its id is on everything that the run makes."""

    id: str
    image_name: str

    @property
    def stamp(self) -> str:
        """The part of the id that no other run of this image has: its time and a random part."""
        return self.id.removeprefix(f"{self.image_name}-")


@dataclass(frozen=True)
class SourceImage:
    """The AMI that a bake starts from."""

    id: str
    name: str
    root_device: str


@dataclass(frozen=True)
class Network:
    """Where a run's machines are.

    Attributes:
        subnet_ids: In order of preference: the next is tried where there is no capacity.
        security_group_id: The spec's own group; None: one is made for each machine.
        ssh_from: The IPv4 network that such a group lets in; None where a group is given.
    """

    subnet_ids: tuple[str, ...]
    security_group_id: str | None
    ssh_from: str | None


@dataclass(frozen=True)
class PinnedImage:
    """A container image: the tag that people wrote, and the digest it had when planned."""

    reference: str
    digest: str

    @property
    def by_digest(self) -> str:
        """The reference that no push can change."""
        return f"{self.reference.rpartition(':')[0]}@{self.digest}"


@dataclass(frozen=True)
class Context:
    """What the warm build is made from, with nothing left that can move.

    Attributes:
        identity: ``commit:`` and a git commit, or ``sha256:`` of the packed folder.
        folder: The folder on this machine, or within the repository.
        repository: The repository's URL; None for a folder on this machine.
    """

    identity: str
    folder: Path
    repository: str | None


@dataclass(frozen=True)
class Plan:
    """What a run will do, with everything resolved that can move under its feet."""

    spec: Spec
    source: SourceImage
    instance_types: tuple[str, ...]
    """Those of the spec's that the region offers, in the spec's order."""
    fleet_types: tuple[str, ...]
    """The fleet's, likewise."""
    network: Network
    images: tuple[PinnedImage, ...]
    buildkit: PinnedImage
    own_steps: Mapping[str, bytes]
    """The user's steps, by the path that they have in the recipe."""
    own_checks: Mapping[str, bytes]
    """The user's checks, by their names."""
    context: Context | None
    """What the warm build is made from; None where the spec has no [warm]."""
    digest: str
    """SHA-256 over all inputs: two plans with one digest bake the same image."""

    def ami_name(self, run: Run) -> str:
        """Return the name of the AMI that a run makes: names are unique in an account's region."""
        return f"{self.spec.ami_name_prefix}-{run.stamp}"


@dataclass(frozen=True)
class Image:
    """A baked AMI."""

    id: str
    name: str
    region: str
    digest: str
    snapshot_ids: tuple[str, ...]


class Outcome(StrEnum):
    """What a check found; unknown is not a pass."""

    PASS = "pass"  # noqa: S105  (not a password)
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CheckResult:
    """One check of a machine that was booted from a candidate."""

    __pydantic_config__ = READ_STRICTLY

    name: str
    """The check's, in lower case with dashes."""
    outcome: Outcome
    """Unknown: it could not be carried out, or its answer could not be read."""
    evidence: str
    """What was seen, in words."""
    hint: str = ""
    """What to do next; empty where there is nothing to do."""
    figures: Mapping[str, float] = field(default_factory=dict, hash=False)
    """What was measured, as finite numbers; the unit is in the name, as in cold_seconds."""

    def __post_init__(self) -> None:
        # Always a float: 5 and 5.0 are equal, and would be written, and hashed, as two.
        figures = {name: float(value) for name, value in self.figures.items()}
        if not all(math.isfinite(value) for value in figures.values()):
            raise ValueError(f"check {self.name} gave a figure that is no number: {figures}")
        object.__setattr__(self, "figures", figures)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Verdict:
    """What verify found out about one image."""

    __pydantic_config__ = READ_STRICTLY

    image_id: str
    """The AMI that was booted and looked at."""
    digest: str
    """SHA-256 over all inputs of its bake, as tagged on the AMI."""
    region: str
    """The AWS region of the AMI."""
    run_id: str
    """The run that verified it."""
    checks: tuple[CheckResult, ...]
    """All checks, in the order in which they were carried out."""
    verified_at: str = field(default_factory=_now)
    """When, in UTC, as ISO 8601 writes it."""
    amikiln_version: str = __version__
    """The version of amikiln that verified it."""

    @property
    def outcome(self) -> Outcome:
        """Pass only if every check passed, and there was one at all."""
        found = {check.outcome for check in self.checks}
        if found == {Outcome.PASS}:
            return Outcome.PASS
        return Outcome.FAIL if Outcome.FAIL in found else Outcome.UNKNOWN

    def to_json(self) -> str:
        """Return the form that is kept: one line. Its SHA-256 is tagged on the image."""
        return canonical_json({**asdict(self), "outcome": self.outcome}) + "\n"

    @property
    def sha256(self) -> str:
        """The kept file's hash, as ``sha256sum`` prints it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


@dataclass(frozen=True)
class Forced:
    """Somebody's word that an image is to be published without proof.

    Attributes:
        image_id: The AMI that is meant.
        reason: One line of 1 to 255 printable characters; it is tagged on the image.

    Raises:
        ValueError: The reason is none.
    """

    image_id: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", self.reason.strip())
        # The longest value of a tag is 256:
        # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
        if not 1 <= len(self.reason) <= LONGEST_REASON or not self.reason.isprintable():
            raise ValueError(f"not a reason: write 1 to {LONGEST_REASON} printable characters")


@dataclass(frozen=True)
class Published:
    """The pointer after publishing."""

    parameter: str
    version: int
    image_id: str
    previous_image_id: str | None
    forced: str | None = None
    """The reason, where it was published without proof."""


@dataclass(frozen=True)
class FleetMachine:
    """A machine of an Auto Scaling group."""

    id: str
    image_id: str
    state: str
    address: str | None


@dataclass(frozen=True)
class GroupTurnover:
    """How far one Auto Scaling group is on its way to the published image."""

    group: str
    image_id: str
    launch_image: str
    """What its launch template names: an AMI id, or ``resolve:ssm:`` and a parameter."""
    follows: bool
    """Whether that is the pointer, so that new machines get what is published."""
    desired: int
    machines: tuple[FleetMachine, ...]

    @property
    def outdated(self) -> tuple[FleetMachine, ...]:
        return tuple(machine for machine in self.machines if machine.image_id != self.image_id)

    @property
    def done(self) -> bool:
        """All wanted machines run, and run the published image."""
        current = [m for m in self.machines if m not in self.outdated and m.state == "running"]
        return not self.outdated and len(current) >= self.desired


def can_be_taken_up(state: str, tags: Mapping[str, str]) -> bool:
    """Tell whether an image that a run left may become another run's of the same inputs.

    Args:
        state: The image's, as DescribeImages says it.
        tags: The image's.
    """
    return state in {"available", "pending"} and TAG_VERDICT not in tags


def canonical_json(value: Any) -> str:
    """Return JSON that is the same for equal values: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
