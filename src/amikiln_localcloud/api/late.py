"""Shows new things late, as AWS does: for trying what relies on seeing at once what it made.

EC2 and Systems Manager are eventually consistent. With a lateness of N seconds, for clients of
these two services (Auto Scaling groups and stacks are AWS's own, and see everything):

- For N seconds a new thing is not found, whoever reads or changes it.
- For N seconds more it is found by its id and in no list, for its tags are not there yet: and for
  the same reason changing it is not authorized, as under a policy that asks for a tag.
- For N seconds after an instance ended, its security group is in use; so is the snapshot of an
  image that was deregistered.

Whether a name is taken is known at once.
https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
"""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ssm.models import ssm_backends

READS = ("Describe", "Get", "List")
CHECK_NAMES = ("ImportKeyPair", "CreateKeyPair", "PutParameter")
"""What makes something, and has to know whether its name is taken."""
DO_NOTHING = ("DeleteKeyPair", "DeleteParameter")
"""What succeeds, or says so, where there is nothing to delete."""
AWS = "/aws/"
"""Parameters that AWS has there."""
LISTS_OF_PARAMETERS = ("GetParametersByPath", "DescribeParameters")
ID_KEYS = ("Id", "KeyName")
NOT_FOUND = {
    "i": "InvalidInstanceID.NotFound",
    "ami": "InvalidAMIID.NotFound",
    "sg": "InvalidGroup.NotFound",
    "snap": "InvalidSnapshot.NotFound",
    "vol": "InvalidVolume.NotFound",
}
Refusal = tuple[str, str]
"""AWS's code, and its message."""


class Lateness:
    """Hides what is new.

    Args:
        seconds: How late new things are shown; 0: at once.
        clock: Returns seconds since any fixed moment.
    """

    def __init__(self, seconds: float = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._since: dict[str, float] = {}
        self._known: list[Any] = []
        self._ended: dict[str, float] = {}
        self._snapshots: dict[str, str] = {}

    def find_refusal(self, action: str, named: set[str]) -> Refusal | None:
        """Return what AWS answers where a request changes what is new, or in use by what is gone.

        Args:
            action: As ``DeleteSecurityGroup``.
            named: The ids and names in the request.
        """
        self._note()
        if action.startswith((*READS, *CHECK_NAMES, *DO_NOTHING)):
            return None
        for id_ in sorted(named):
            age, message = self._age(id_), f"'{id_}' does not exist"
            if age < self.seconds:
                return NOT_FOUND.get(id_.partition("-")[0], "InvalidKeyPair.NotFound"), message
            if age < 2 * self.seconds:
                why = f"You are not authorized to perform ec2:{action} on {id_}: it has no tags yet"
                return "UnauthorizedOperation", why
            if self._clock() - self._ended.get(id_, float("-inf")) < self.seconds:
                if action == "DeleteSecurityGroup":
                    return "DependencyViolation", f"resource {id_} has a dependent object"
                if action == "DeleteSnapshot":
                    return "InvalidSnapshot.InUse", f"The snapshot {id_} is in use by an image"
        return None

    @contextmanager
    def hide(self, action: str, named: set[str]) -> Iterator[None]:
        """During the block, moto does not have what a reading request must not see.

        Args:
            action: As ``DescribeInstances``.
            named: The ids and names in the request.
        """
        with ExitStack() as stack:
            if action.startswith((*READS, *DO_NOTHING)):
                for _, things, find_id in _collections():
                    hidden = {
                        key
                        for key, thing in things.items()
                        if self._is_hidden(find_id(key, thing), action, named)
                    }
                    stack.enter_context(_without(things, hidden))
            yield
        # A region's EC2 comes with groups of its own; its Systems Manager comes with nothing.
        self._known += [ssm for ssm in _ssm() if ssm not in self._known]
        self._note()

    def _is_hidden(self, id_: str, action: str, named: set[str]) -> bool:
        is_named = id_ in named and action not in LISTS_OF_PARAMETERS
        return self._age(id_) < (self.seconds if is_named else 2 * self.seconds)

    def _age(self, id_: str) -> float:
        return self._clock() - self._since.get(id_, float("-inf"))

    def _note(self) -> None:
        """Remember when each thing was seen first, and what has ended since."""
        now, since = self._clock(), {}
        for backend, things, find_id in _collections():
            # What a region has when it is asked for first is old.
            seen = now if backend in self._known else float("-inf")
            for id_ in (find_id(key, thing) for key, thing in things.items()):
                since[id_] = self._since.get(id_, float("-inf") if id_.startswith(AWS) else seen)
        self._since = since
        self._known = [*_ec2(), *_ssm()]
        images: dict[str, str] = {}
        for backend in _ec2():
            images |= {id_: image.ebs_snapshot.id for id_, image in backend.amis.items()}
            for instance in (i for r in backend.reservations.values() for i in r.instances):
                if instance.state == "terminated" and instance.id not in self._ended:
                    ended = [instance.id, *(group.id for group in instance.security_groups)]
                    self._ended.update(dict.fromkeys(ended, now))
        self._ended |= {
            snapshot: now for image, snapshot in self._snapshots.items() if image not in images
        }
        self._snapshots = images


def find_names(content: bytes) -> set[str]:
    """Return the ids and names that a request is about.

    Args:
        content: Its body: a form of EC2's, or JSON of Systems Manager's.
    """
    if content.startswith(b"{"):
        asked = json.loads(content)
        return {asked.get("Name", ""), *asked.get("Names", [])}
    pairs = urllib.parse.parse_qsl(content.decode())
    return {value for key, value in pairs if key.rstrip(".0123456789").endswith(ID_KEYS)}


def _ec2() -> list[Any]:
    """Return EC2 in all regions that were asked for so far."""
    return [backend for regions in ec2_backends.values() for backend in regions.values()]


def _ssm() -> list[Any]:
    """Return Systems Manager, likewise."""
    return [backend for regions in ssm_backends.values() for backend in regions.values()]


def _collections() -> Iterator[tuple[Any, dict[Any, Any], Callable[[Any, Any], str]]]:
    """Yield moto's dictionaries of things, each with its owner, and what tells a thing's id."""

    def find_id(key: Any, thing: Any) -> str:
        return str(key)

    for ec2 in _ec2():
        yield ec2, ec2.reservations, lambda key, thing: str(thing.instances[0].id)
        for things in (ec2.key_pairs, ec2.amis, ec2.snapshots, ec2.volumes, *ec2.groups.values()):
            yield ec2, things, find_id
    for ssm in _ssm():
        yield ssm, ssm._parameters, find_id


@contextmanager
def _without(things: dict[Any, Any], hidden: set[Any]) -> Iterator[None]:
    """Take some out of a dictionary during the block; its order stays."""
    before = dict(things.items())
    for key in hidden:
        things.pop(key)
    try:
        yield
    finally:
        after = dict(things.items())
        things.clear()
        for key, thing in before.items():
            if key in hidden or key in after:
                things[key] = after.get(key, thing)
        for key, thing in after.items():
            if key not in before:
                things[key] = thing
