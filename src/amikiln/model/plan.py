"""What a run is to do: everything resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from amikiln.model.run import Run
from amikiln.spec.spec import Spec


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
