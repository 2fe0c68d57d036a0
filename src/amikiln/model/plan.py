"""What a run will do, with everything resolved, and the machines that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from amikiln.model.contents import Contents
from amikiln.model.run import Run
from amikiln.model.strict import STRICT
from amikiln.spec import timing
from amikiln.spec.machine import Volume
from amikiln.spec.spec import Spec


@dataclass(frozen=True)
class Origin:
    """From what a plan was made, when, by what, and for which cloud."""

    __pydantic_config__ = STRICT

    spec_file: str
    """The image's TOML file, as from the directory where the command ran."""
    local: bool
    """Whether the spec's [local] tables were laid over the others."""
    changes: tuple[str, ...]
    """Values of the spec that were changed for this plan alone, each as KEY=VALUE."""
    planned_at: str
    """When, in UTC, as ISO 8601 writes it."""
    amikiln_version: str
    """The version of amikiln that planned."""
    recipe: str
    """SHA-256 of the steps and checks that this version brings."""
    cloud: str
    """aws, or the id of a local cloud."""
    account: str
    """The account's 12 digits."""


@dataclass(frozen=True)
class SourceImage:
    """The AMI that a bake starts from."""

    __pydantic_config__ = STRICT

    id: str
    """The AMI's id."""
    name: str
    """The AMI's name."""
    root_device: str
    """Where its volume is attached."""
    volume_gib: int
    """The volume that it was made of."""
    used_gib: float | None
    """How much of that is in use, if the image says so; None: it does not."""


Command = Literal["run", "bake", "verify"]
"""What works from a plan on a machine of its own."""
Connect = Literal["public", "private", "session-manager"]


@dataclass(frozen=True)
class Network:
    """Where a run's machines are."""

    __pydantic_config__ = STRICT

    subnet_ids: tuple[str, ...]
    """In order of preference: the next is tried where there is no capacity."""
    security_group_id: str | None
    """The spec's own group; None: one is made for each machine."""
    ssh_from: str | None
    """The IPv4 network that such a group lets in; None: nobody. In a plan's file None also where
    the spec names none: each run lets in the address that it has itself."""
    vpc_id: str | None
    """The VPC of the subnets; None: there is no such subnet."""
    public_address: bool | None = None
    """Whether machines get a public address; None: as the subnet has it."""
    connect: Connect = "public"
    """How ssh reaches them."""


@dataclass(frozen=True)
class MachineRequest:
    """A machine for one stage, with everything about it that plan decides.

    Attributes:
        purpose: The stage, as ``bake``; for names.
        image_id: What it boots.
        digest: The plan's disk digest, which it is tagged with.
        instance_types: In order of preference: the next is tried where there is no capacity.
        network: Where it is, and who can reach it.
        root_device: Where its volume is attached.
        volume: Its volume.
        metadata_hop_limit: How many hops an answer of its metadata service may take.
        user: Who logs in over ssh.
        own_tags: The spec's own, for everything that is made.
        profile: Its instance profile; None: it has no role.
        is_spot: Whether EC2 may end it at any time.
        boot_seconds: How long it may take to run, and then to let us log in.
        machine_minutes: It ends itself after this long, whatever became of its run.
    """

    purpose: str
    image_id: str
    digest: str
    instance_types: tuple[str, ...]
    network: Network
    root_device: str
    volume: Volume
    metadata_hop_limit: int
    user: str
    own_tags: Mapping[str, str]
    profile: str | None
    is_spot: bool
    boot_seconds: int
    machine_minutes: int


@dataclass(frozen=True)
class Layer:
    """A layer of a container image, as its manifest describes it."""

    __pydantic_config__ = STRICT

    digest: str
    """Equal layers have equal ones, in whatever image."""
    stored_bytes: int
    """In the registry, compressed or not."""
    unpacked_bytes: int
    """On a disk, as said by the manifest or else estimated."""


@dataclass(frozen=True)
class PinnedImage:
    """A container image: the tag that people wrote, and the digest it had when planned."""

    __pydantic_config__ = STRICT

    reference: str
    """As the spec names it."""
    digest: str
    """What that tag meant, as sha256:..."""
    layers: tuple[Layer, ...] = ()
    """Those for the spec's architecture; empty where the manifest does not say them."""

    @property
    def by_digest(self) -> str:
        """The reference that no push can change."""
        return f"{self.reference.rpartition(':')[0]}@{self.digest}"


@dataclass(frozen=True)
class Context:
    """What the warm build is made from, with nothing left that can move."""

    __pydantic_config__ = STRICT

    identity: str
    """commit: and a git commit, or sha256: of the packed folder."""
    folder: Path
    """The folder on this machine (in a plan's file: from image.toml), or in the repository."""
    repository: str | None
    """The repository's URL; None for a folder on this machine."""
    ref: str | None = None
    """The branch or tag that the commit was found by: some servers give out no other commits."""
    files: Mapping[str, str] = field(default_factory=dict, hash=False)
    """What is in a folder on this machine, by name: mode and SHA-256, or where a link leads; empty
    where it is too much to review."""
    submodules: bool = False
    """Whether a commit comes with its submodules, by their recorded commits."""
    lfs_pointers: int = 0
    """How many of its files are git-lfs's pointers: what they stand for is not sent."""

    @property
    def commit(self) -> str:
        """The git commit; empty for a folder on this machine."""
        return self.identity.removeprefix("commit:") if self.repository is not None else ""


@dataclass(frozen=True)
class Plan:
    """What a run will do, with everything resolved that can move under its feet."""

    __pydantic_config__ = STRICT

    origin: Origin
    """From what it was made, when, by what, and for which cloud."""
    spec: Spec
    """The spec, with what was changed for this plan alone."""
    source: SourceImage
    """The AMI that the bake starts from."""
    instance_types: tuple[str, ...]
    """Those of the spec's that the region offers, in the spec's order."""
    fleet_types: tuple[str, ...]
    """The fleet's, likewise."""
    network: Network
    """Where the machines are, and who can reach them."""
    images: tuple[PinnedImage, ...]
    """What is pulled into Docker."""
    buildkit: PinnedImage
    """The builder's image."""
    own_steps: Contents
    """The user's steps, by the path that they have in the recipe."""
    own_checks: Contents
    """The user's checks, by their names."""
    context: Context | None
    """What the warm build is made from; None where the spec has no [warm]."""
    bake_files: Contents
    """The bake files that are not in it, by the path that they have in the recipe."""
    digest: str
    """SHA-256 of what enters the disk: two plans with the same one bake the same image."""
    proof_digest: str
    """SHA-256 of what verify has to prove, and how."""

    def longest(self, command: Command) -> timing.Sum:
        """Return how long a command with this plan may take, once it has the lease."""
        steps, checks = len(self.own_steps), len(self.own_checks)
        if command == "bake":
            return timing.sum_bake(self.spec, steps)
        if command == "verify":
            return timing.sum_verify(self.spec, checks)
        return timing.sum_run(self.spec, steps, checks)

    def request_bake_machine(self) -> MachineRequest:
        """Return what bake boots; containers do not reach its metadata service."""
        needed = timing.sum_bake_machine(self.spec, len(self.own_steps))
        return self._request("bake", self.source.id, self.instance_types, 1, needed)

    def request_verify_machine(self, image_id: str) -> MachineRequest:
        """Return what verify boots: the fleet's instance types and metadata options.

        It has neither the fleet's role nor its agent, so it can take no job.

        Args:
            image_id: What bake made of the plan.
        """
        hops = self.spec.fleet.metadata_hop_limit
        needed = timing.sum_verify_machine(self.spec, len(self.own_checks))
        return self._request("verify", image_id, self.fleet_types, hops, needed)

    def _request(
        self,
        purpose: str,
        image_id: str,
        types: tuple[str, ...],
        metadata_hop_limit: int,
        needed: timing.Sum,
    ) -> MachineRequest:
        return MachineRequest(
            purpose=purpose,
            image_id=image_id,
            digest=self.digest,
            instance_types=types,
            network=self.network,
            root_device=self.source.root_device,
            volume=self.spec.volume,
            metadata_hop_limit=metadata_hop_limit,
            user=self.spec.source.user,
            own_tags=self.spec.tags,
            profile=self.spec.instance.profile,
            is_spot=self.spec.instance.market == "spot",
            boot_seconds=self.spec.deadlines.boot_seconds,
            machine_minutes=timing.machine_minutes(self.spec, needed),
        )

    def ami_name(self, run: Run) -> str:
        """Return the name of the AMI that a run makes: names are unique in an account's region."""
        return f"{self.spec.ami_name_prefix}-{run.stamp}"
