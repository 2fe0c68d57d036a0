"""The lease: one run at a time works on an image.

A lease is a chain of SSM parameters ``.../lease/1``, ``.../lease/2``, ... Whoever creates the
next number first holds it: PutParameter without Overwrite is an atomic create. A name is never
deleted and used again, so a process that was asleep for an hour can neither remove nor renew its
successor's lease. Whether a lease has lapsed is judged by AWS's clock alone: the parameter's
own modification time against the Date header of the listing.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from amikiln.aws.errors import AwsFailure
from amikiln.aws.parameters import Listing, Parameter, Parameters
from amikiln.errors import LeaseError
from amikiln.model.run import Run
from amikiln.runtime.progress import Reporter
from amikiln.runtime.wait import DeadlinePassed, Waiter

RENEWALS_PER_TERM = 3


@dataclass(frozen=True)
class Term:
    """What one lease parameter says."""

    run: str
    holder: str
    seconds: int
    released: bool = False

    def to_json(self) -> str:
        return json.dumps(self.__dict__, sort_keys=True)


class Lease:
    """A lease that this run holds; it is checked before every write of the pointer."""

    def __init__(self, parameters: Parameters, path: str, number: int, term: Term) -> None:
        self._parameters = parameters
        self._path = path
        self._number = number
        self._term = term

    def check(self) -> None:
        """Make sure that this run still holds the lease.

        Raises:
            LeaseError: It lapsed, or another run has taken over.
        """
        listing = self._parameters.list_below(self._path)
        newest = _find_newest(listing)
        if newest is None or _read_number(newest) != self._number:
            who = "it was deleted" if newest is None else f"{_describe_holder(newest)} took over"
            raise LeaseError(
                f"lost the lease {self._path}/{self._number}: {who}",
                hint="nothing was written after that; start the run again",
            )
        if _is_lapsed(newest, listing):
            raise LeaseError(
                f"the lease {self._path}/{self._number} lapsed: it could not be renewed in time",
                hint="check the network, or raise deadlines.lease_seconds; then start again",
            )

    def renew(self) -> None:
        """Start the term again, from now on by AWS's clock."""
        self._parameters.put(f"{self._path}/{self._number}", self._term.to_json())

    def release(self) -> None:
        """Let the next run begin at once; this number is not used again."""
        released = Term(self._term.run, self._term.holder, self._term.seconds, released=True)
        self._parameters.put(f"{self._path}/{self._number}", released.to_json())


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
        listing = parameters.list_below(path)
        newest = _find_newest(listing)
        return True if newest is None or _is_lapsed(newest, listing) else None

    with suppress(DeadlinePassed):
        waiter.until(is_free, what=f"the lease {path} to be free", deadline_seconds=seconds)


@contextmanager
def hold_lease(
    parameters: Parameters, path: str, run: Run, term_seconds: int, report: Reporter
) -> Iterator[Lease]:
    """Hold an image's lease during the block, renewing it in the background.

    Args:
        parameters: Where leases are kept.
        path: The SSM path of this image's lease.
        run: The run that wants it.
        term_seconds: How long the lease lasts when it is not renewed.
        report: Where failed renewals are reported.

    Raises:
        LeaseError: Another run holds it; says who, and for how long at most.
    """
    lease = _acquire(parameters, path, run, term_seconds)
    ended = threading.Event()

    def keep_renewing() -> None:
        while not ended.wait(term_seconds / RENEWALS_PER_TERM):
            try:
                lease.renew()
            except AwsFailure as error:
                # Not the end yet: the next try may succeed, and check() guards every write.
                report.line(f"could not renew the lease {path}: {error}")

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
            report.line(f"the lease {path} was not ours any more at the end")
        except AwsFailure as error:
            report.line(f"could not release the lease {path}; it lapses by itself: {error}")


def _acquire(parameters: Parameters, path: str, run: Run, term_seconds: int) -> Lease:
    holder = f"{getpass.getuser()}@{socket.gethostname()} process {os.getpid()}"
    term = Term(run.id, holder, term_seconds)
    listing = parameters.list_below(path)
    newest = _find_newest(listing)
    if newest is not None and not _is_lapsed(newest, listing):
        raise _explain_refusal(newest, listing)
    number = 1 if newest is None else _read_number(newest) + 1
    created = parameters.create(f"{path}/{number}", term.to_json())
    # Somebody may have created the same number, or, if we were slow, a later one meanwhile.
    listing = parameters.list_below(path)
    newest = max(listing.parameters, key=_read_number)
    if not created or _read_number(newest) != number:
        raise _explain_refusal(newest, listing)
    lease = Lease(parameters, path, number, term)
    try:
        for parameter in listing.parameters:
            if _read_number(parameter) < number:
                parameters.delete(parameter.name)
    except BaseException:
        lease.release()
        raise
    return lease


def _explain_refusal(parameter: Parameter, listing: Listing) -> LeaseError:
    term = _read_term(parameter)
    left = parameter.modified + timedelta(seconds=term.seconds) - listing.now
    return LeaseError(
        f"run {term.run} of {term.holder} holds the lease {parameter.name}",
        hint="wait until it ends; if that process is dead, its lease lapses in "
        f"{max(0, round(left.total_seconds()))} s",
    )


def _read_term(parameter: Parameter) -> Term:
    try:
        return Term(**json.loads(parameter.value))
    except (ValueError, TypeError) as error:
        raise LeaseError(
            f"{parameter.name} does not hold a lease: {error}",
            hint="if nothing else uses this path, delete the parameter",
        ) from error


def _is_lapsed(parameter: Parameter, listing: Listing) -> bool:
    term = _read_term(parameter)
    return term.released or listing.now > parameter.modified + timedelta(seconds=term.seconds)


def _find_newest(listing: Listing) -> Parameter | None:
    return max(listing.parameters, key=_read_number, default=None)


def _describe_holder(parameter: Parameter) -> str:
    term = _read_term(parameter)
    return f"run {term.run} of {term.holder}"


def _read_number(parameter: Parameter) -> int:
    return int(parameter.name.rsplit("/", 1)[1])
