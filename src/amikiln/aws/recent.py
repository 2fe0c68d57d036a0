"""What this process made a moment ago, which AWS may not know yet.

EC2 and Systems Manager are eventually consistent: for a while a new thing may be not found, be
missing from lists, have no tags yet (a policy that asks for a tag then refuses), or still be in use
by something that is gone. https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html

Only what is new is waited for. What is older and not found is gone, which is an answer.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from amikiln.aws.errors import REFUSALS, AwsFailure, error_code, explain, is_passing
from amikiln.runtime.wait import DeadlinePassed, Waiter

Answer = TypeVar("Answer")

SHOWN_WITHIN_SECONDS = 120
"""How long a new thing may be unknown."""
IN_USE_SECONDS = 300
"""How long something may still be in use by what was removed: a network interface lingers."""
IN_USE = {"DependencyViolation", "InvalidGroup.InUse", "InvalidSnapshot.InUse"}
NOT_IN_STATE = {"IncorrectInstanceState", "IncorrectState", "InvalidAMIID.Unavailable"}
"""What one part of EC2 says while another one shows the new state already."""


class NotListedYet(Exception):
    """Something exists, for its name is taken, and no list has it yet.

    Args:
        taken: What AWS said of its name.
    """

    def __init__(self, taken: ClientError) -> None:
        super().__init__(str(taken))
        self.taken = taken


class Recent:
    """Remembers what was made, and repeats calls that AWS cannot answer rightly yet.

    Args:
        waiter: Waits between two tries.
        seconds: How long a thing is new.
    """

    def __init__(self, waiter: Waiter, seconds: float = SHOWN_WITHIN_SECONDS) -> None:
        self._waiter = waiter
        self._seconds = seconds
        self._since: dict[str, float] = {}
        self._made: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        self._unanswered: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def note(self, *ids: str) -> None:
        """Remember that something was made or changed just now.

        Args:
            ids: The ids or names by which calls refer to it.
        """
        with self._lock:
            self._since.update(dict.fromkeys(ids, self._waiter.now()))

    def forget(self, id_: str) -> None:
        """Remember nothing of what was removed."""
        with self._lock:
            self._since.pop(id_, None)
            for made in self._made.values():
                made.discard(id_)

    def is_new(self, *ids: str) -> bool:
        """Return whether one of these was made or changed so lately that AWS may not know it."""
        oldest = self._waiter.now() - self._seconds
        with self._lock:
            return any(self._since.get(id_, float("-inf")) > oldest for id_ in ids)

    def make(self, kind: str, name: str, operation: Callable[[], str], *uses: str) -> str:
        """Make something, and remember it by its id, and by the name that it is tagged with.

        Args:
            kind: As ``instance``: names are unique within it.
            name: Its tag ``Name``.
            operation: Makes it, or finds that an earlier try made it, and returns its id; raises
                NotListedYet where it was made and cannot be found yet.
            uses: The ids of what it is made from.
        """
        with self._lock:
            self._unanswered.add((kind, name))
        try:
            id_ = self.call(operation, *uses)
        except ClientError as error:
            if not is_passing(error):
                # A refusal is an answer: nothing was made.
                with self._lock:
                    self._unanswered.discard((kind, name))
            raise
        self.note(id_)
        with self._lock:
            self._unanswered.discard((kind, name))
            self._made[kind, name].add(id_)
        return id_

    def find_made(self, kind: str, name: str, look: Callable[[], Sequence[str]]) -> list[str]:
        """Return the ids of what was made under a name: those that AWS lists, and those we know.

        What is new is waited for until it is listed, so that it can be removed; so is what may have
        been made by a call that got no answer.

        Args:
            kind: As given to ``make``.
            name: Likewise.
            look: Lists what is tagged with the name.
        """
        known = self._made[kind, name]
        in_doubt = (kind, name) in self._unanswered

        def find_all() -> list[str] | None:
            listed = set(look())
            all_there = known <= listed and (listed or not in_doubt)
            return sorted(listed | known) if all_there else None

        if not in_doubt and not self.is_new(*known):
            return sorted({*look(), *known})
        try:
            return self._waiter.until(
                find_all, what=f"{kind} {name} to be listed", deadline_seconds=self._seconds
            )
        except DeadlinePassed:
            return sorted({*look(), *known})

    def call(self, operation: Callable[[], Answer], *ids: str) -> Answer:
        """Call AWS, and again while it does not know what is new, or does not answer.

        Args:
            operation: Calls AWS; a repeated call must do nothing more than one does.
            ids: Ids and names of what the call is about.

        Raises:
            ClientError: AWS refuses, and did so until nothing was new any more.
            BotoCoreError: AWS did not answer in two minutes.
        """

        def may_pass(error: ClientError | BotoCoreError) -> bool:
            return is_passing(error) or self._is_not_known_yet(error, ids)

        return self._repeat(operation, may_pass, self._seconds)

    def call_until_unused(self, operation: Callable[[], Answer], *ids: str) -> Answer:
        """As ``call``, and also while what is to be removed is in use by what is gone already."""

        def may_pass(error: ClientError | BotoCoreError) -> bool:
            in_use = isinstance(error, ClientError) and error_code(error) in IN_USE
            return in_use or is_passing(error) or self._is_not_known_yet(error, ids)

        return self._repeat(operation, may_pass, IN_USE_SECONDS * self._seconds / 120)

    def _is_not_known_yet(self, error: ClientError | BotoCoreError, ids: Sequence[str]) -> bool:
        if not isinstance(error, ClientError):
            return False
        code, message = error_code(error), str(error)
        named = [id_ for id_ in ids if id_ in message]
        # A message that names something speaks of that alone.
        if not self.is_new(*(named or ids)):
            return False
        if code == "InvalidParameterValue":
            return bool(named) or "not in state" in message
        return code.endswith("NotFound") or code in REFUSALS or code in NOT_IN_STATE

    def _repeat(
        self,
        operation: Callable[[], Answer],
        may_pass: Callable[[ClientError | BotoCoreError], bool],
        seconds: float,
    ) -> Answer:
        last: ClientError | BotoCoreError | None = None

        def attempt() -> tuple[Answer] | None:
            nonlocal last
            try:
                return (operation(),)
            except NotListedYet as error:
                last = error.taken
            except AwsFailure as error:
                if not may_pass(error):
                    raise
                last = error
            return None

        done = attempt()
        if done is None:
            assert last is not None  # noqa: S101  (an attempt that is not done has failed)
            self._waiter.say(f"{explain(last)[0]}: asked again")
            try:
                done = self._waiter.until(attempt, what="asking again", deadline_seconds=seconds)
            except DeadlinePassed:
                raise last from None
        return done[0]
