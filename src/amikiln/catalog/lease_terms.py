"""The parameters of a lease: what they say, and how they are found.

A list of parameters may lag behind what was written, so it is only a hint of where the chain is.
What counts is read by name: the numbers after the hint.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from amikiln.aws.parameters import Listing, Parameter, Parameters
from amikiln.errors import LeaseError

READ_AHEAD = 10
"""How many numbers are read at once, all that one GetParameters takes: a list that is older than so
many leases would be hours old."""


@dataclass(frozen=True)
class Term:
    """What one lease parameter says."""

    run: str
    holder: str
    seconds: int
    released: bool = False

    def to_json(self) -> str:
        return json.dumps(self.__dict__, sort_keys=True)


def look(parameters: Parameters, path: str) -> Listing:
    """Return the leases that there are: those that are listed, and what came after them."""
    listed = {
        parameter.name: parameter
        for parameter in parameters.list_below(path).parameters
        if parameter.name.rpartition("/")[2].isdecimal()
    }
    hint = max(map(read_number, listed.values()), default=1)
    found = read_from(parameters, path, hint)
    by_name = {parameter.name: parameter for parameter in found.parameters}
    return Listing(tuple({**listed, **by_name}.values()), found.now)


def read_from(parameters: Parameters, path: str, number: int) -> Listing:
    """Return the leases from a number on, read by their names."""
    found: list[Parameter] = []
    while True:
        names = [f"{path}/{each}" for each in range(number, number + READ_AHEAD)]
        some = parameters.get_all(names)
        found += some.parameters
        newest = find_newest(some)
        if newest is None or read_number(newest) == number:
            return Listing(tuple(found), some.now)
        number = read_number(newest) + 1


def read_term(parameter: Parameter) -> Term:
    try:
        return Term(**json.loads(parameter.value))
    except (ValueError, TypeError) as error:
        raise LeaseError(
            f"{parameter.name} does not hold a lease: {error}",
            hint="if nothing else uses this path, delete the parameter",
        ) from error


def is_lapsed(parameter: Parameter, listing: Listing) -> bool:
    term = read_term(parameter)
    return term.released or listing.now > parameter.modified + timedelta(seconds=term.seconds)


def find_newest(listing: Listing) -> Parameter | None:
    return max(listing.parameters, key=read_number, default=None)


def describe_holder(parameter: Parameter) -> str:
    term = read_term(parameter)
    return f"run {term.run} of {term.holder}"


def read_number(parameter: Parameter) -> int:
    return int(parameter.name.rsplit("/", 1)[1])
