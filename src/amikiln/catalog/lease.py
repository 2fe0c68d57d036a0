"""The lease: one run at a time works on an image.

A lease is a chain of SSM parameters ``.../lease/1``, ``.../lease/2``, ... Whoever creates the
next number first holds it: PutParameter without Overwrite is an atomic create. A name is never
deleted and used again, so a process that was asleep for an hour can neither remove nor renew its
successor's lease. Whether a lease has lapsed is judged by AWS's clock alone: the parameter's
own modification time against the Date header of the answer.
"""

from __future__ import annotations

import getpass
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta

from amikiln.aws.errors import AwsFailure
from amikiln.aws.parameters import NO_TAGS, Listing, Parameter, Parameters
from amikiln.catalog.lease_terms import (
    Term,
    describe_holder,
    find_newest,
    is_lapsed,
    look,
    read_from,
    read_number,
    read_term,
)
from amikiln.errors import LeaseError
from amikiln.model.run import Run
from amikiln.runtime.wait import DeadlinePassed, Waiter

RENEWALS_PER_TERM = 3
SHOWN_SECONDS = 120
"""How long a lease that was created may be unknown by its name."""


class Lease:
    """A lease that this run holds; it is checked before every write of the pointer."""

    def __init__(
        self,
        parameters: Parameters,
        path: str,
        number: int,
        term: Term,
        waiter: Waiter,
        tags: Mapping[str, str] = NO_TAGS,
    ) -> None:
        self._parameters = parameters
        self._path = path
        self._number = number
        self._term = term
        self._waiter = waiter
        self._tags = tags
        self._was_shown = False

    def check(self) -> None:
        """Make sure that this run still holds the lease.

        Raises:
            LeaseError: It lapsed, or another run has taken over.
        """
        listing = self.read()
        newest = find_newest(listing)
        if newest is None or read_number(newest) != self._number:
            who = "it was deleted" if newest is None else f"{describe_holder(newest)} took over"
            raise LeaseError(
                f"lost the lease {self.name}: {who}",
                hint="nothing was written after that; start the run again",
            )
        if is_lapsed(newest, listing):
            raise LeaseError(
                f"the lease {self.name} lapsed: it could not be renewed in time",
                hint="check the network, or raise deadlines.lease_seconds; then start again",
            )

    @property
    def name(self) -> str:
        """The name of its parameter."""
        return f"{self._path}/{self._number}"

    def take(self) -> Listing:
        """Create its parameter, unless somebody else was faster.

        Returns:
            What is there from its number on. The lease is held if that is it alone.
        """
        try:
            created = self._parameters.create(self.name, self._term.to_json(), self._tags)
        except BaseException:
            # The answer may be lost, and the parameter made.
            with suppress(*AwsFailure):
                if any(map(self._is_this, self._parameters.get_all([self.name]).parameters)):
                    self.release()
            raise
        try:
            return self.read()
        except BaseException:
            if created:
                self.release()
            raise

    def read(self) -> Listing:
        """Return its parameter, and those of the leases that came after it."""

        def find() -> Listing | None:
            found = read_from(self._parameters, self._path, self._number)
            # It was created a moment ago, by us or by somebody else, for its name was taken.
            self._was_shown = self._was_shown or bool(found.parameters)
            return found if self._was_shown else None

        if self._was_shown:
            return read_from(self._parameters, self._path, self._number)
        return self._waiter.until(
            find, what=f"the lease {self.name} to be shown", deadline_seconds=SHOWN_SECONDS
        )

    def is_held(self, listing: Listing) -> bool:
        """Tell whether what ``take`` returned says that this run has it."""
        newest = find_newest(listing)
        return newest is not None and self._is_this(newest)

    def renew(self) -> None:
        """Start the term again, from now on by AWS's clock."""
        self._parameters.put(self.name, self._term.to_json())

    def release(self) -> None:
        """Let the next run begin at once; this number is not used again."""
        released = Term(self._term.run, self._term.holder, self._term.seconds, released=True)
        self._parameters.put(self.name, released.to_json())

    def _is_this(self, parameter: Parameter) -> bool:
        # Not by whether create succeeded: the answer to an earlier try of it may be lost.
        return parameter.name == self.name and parameter.value == self._term.to_json()


def wait_until_free(parameters: Parameters, path: str, waiter: Waiter, seconds: float) -> None:
    """Wait until nobody holds an image's lease, or the time is over.

    Nothing is raised then: ``hold_lease`` says who holds it.

    Args:
        parameters: Where leases are kept.
        path: The SSM path of this image's lease.
        waiter: Waits.
        seconds: How long at most.
    """

    def is_free() -> bool | None:
        listing = look(parameters, path)
        newest = find_newest(listing)
        return True if newest is None or is_lapsed(newest, listing) else None

    with suppress(DeadlinePassed):
        waiter.until(is_free, what=f"the lease {path} to be free", deadline_seconds=seconds)


@contextmanager
def hold_lease(
    parameters: Parameters,
    path: str,
    run: Run,
    term_seconds: int,
    waiter: Waiter,
    tags: Mapping[str, str] = NO_TAGS,
) -> Iterator[Lease]:
    """Hold an image's lease during the block, renewing it in the background.

    Args:
        parameters: Where leases are kept.
        path: The SSM path of this image's lease.
        run: The run that wants it.
        term_seconds: How long the lease lasts when it is not renewed.
        waiter: Waits where AWS does not answer, and reports failed renewals.
        tags: For the lease's parameter.

    Raises:
        LeaseError: Another run holds it; says who, and for how long at most.
    """
    lease = _acquire(parameters, path, run, term_seconds, waiter, tags)
    ended = threading.Event()

    def keep_renewing() -> None:
        while not ended.wait(term_seconds / RENEWALS_PER_TERM):
            try:
                lease.renew()
            except AwsFailure as error:
                # Not the end yet: the next try may succeed, and check() guards every write.
                waiter.say(f"could not renew the lease {path}: {error}")

    thread = threading.Thread(target=keep_renewing, name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        ended.set()
        thread.join()
        try:
            # Only our own: a successor's number is another parameter.
            lease.check()
            lease.release()
        except LeaseError:
            waiter.say(f"the lease {path} was not ours any more at the end")
        except AwsFailure as error:
            waiter.say(f"could not release the lease {path}; it lapses by itself: {error}")


def _acquire(
    parameters: Parameters,
    path: str,
    run: Run,
    term_seconds: int,
    waiter: Waiter,
    tags: Mapping[str, str] = NO_TAGS,
) -> Lease:
    holder = f"{getpass.getuser()}@{socket.gethostname()} process {os.getpid()}"
    term = Term(run.id, holder, term_seconds)
    listing = before = look(parameters, path)
    while True:
        newest = find_newest(listing)
        if newest is not None and not is_lapsed(newest, listing):
            raise _explain_refusal(newest, listing)
        number = 1 if newest is None else read_number(newest) + 1
        lease = Lease(parameters, path, number, term, waiter, tags)
        listing = lease.take()
        if lease.is_held(listing):
            break
        # Somebody created this number, or, if we were slow, a later one meanwhile.
    try:
        for parameter in before.parameters:
            if read_number(parameter) < number:
                parameters.delete(parameter.name)
    except BaseException:
        lease.release()
        raise
    return lease


def _explain_refusal(parameter: Parameter, listing: Listing) -> LeaseError:
    term = read_term(parameter)
    left = parameter.modified + timedelta(seconds=term.seconds) - listing.now
    return LeaseError(
        f"run {term.run} of {term.holder} holds the lease {parameter.name}",
        hint="wait until it ends; if that process is dead, its lease lapses in "
        f"{max(0, round(left.total_seconds()))} s",
    )
