"""The lease: one winner, renewal, take-over, and AWS's clock as the judge."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import pytest
from botocore.exceptions import ClientError

from amikiln.aws.connect import connect
from amikiln.aws.parameters import Listing, Parameters
from amikiln.catalog import lease
from amikiln.errors import Interrupted, LeaseError
from amikiln.model.run import Run
from amikiln.runtime.wait import Waiter
from fakes import Recorder

PATH = "/amikiln/cpu-build/us-east-1/lease"


@pytest.fixture
def parameters(cloud: object) -> Parameters:
    return connect("us-east-1", cloud.session("us-east-1")).parameters  # type: ignore[attr-defined]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def hold_in_background(parameters: Parameters, seconds: int) -> AbstractContextManager[lease.Lease]:
    run, waiter = Run("run-one", "cpu-build"), Waiter(Recorder())
    return lease.hold_lease(parameters, PATH, run, seconds, waiter)


def hold(parameters: Parameters, run_id: str, seconds: int = 60) -> lease.Lease:
    waiter = Waiter(Recorder())
    return lease._acquire(parameters, PATH, Run(run_id, "cpu-build"), seconds, waiter)


def test_the_second_run_is_told_who_holds_the_lease(parameters: Parameters) -> None:
    hold(parameters, "run-one")
    with pytest.raises(LeaseError, match="run run-one of ") as caught:
        hold(parameters, "run-two")
    assert caught.value.hint is not None
    assert "lapses in" in caught.value.hint


def test_of_many_at_once_exactly_one_wins(parameters: Parameters) -> None:
    def attempt(number: int) -> bool:
        try:
            hold(parameters, f"run-{number}")
        except LeaseError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_a_released_lease_is_free_at_once_and_its_number_is_not_used_again(
    parameters: Parameters,
) -> None:
    first = hold(parameters, "run-one")
    first.release()
    second = hold(parameters, "run-two")
    second.check()
    names = [parameter.name for parameter in parameters.list_below(PATH).parameters]
    assert names == [f"{PATH}/2"]


def test_a_lapsed_lease_is_taken_over_and_its_holder_notices(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hold(parameters, "run-one", seconds=60)
    monkeypatch.setattr(lease, "is_lapsed", lambda parameter, listing: True)
    hold(parameters, "run-two")
    monkeypatch.undo()
    with pytest.raises(LeaseError, match=r"run run-two of .* took over"):
        first.check()


def test_a_holder_that_overslept_cannot_harm_its_successor(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hold(parameters, "run-one")
    monkeypatch.setattr(lease, "is_lapsed", lambda parameter, listing: True)
    second = hold(parameters, "run-two")
    monkeypatch.undo()
    first.renew()
    first.release()
    second.check()


def test_a_lease_that_was_not_renewed_is_no_lease(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = hold(parameters, "run-one")
    monkeypatch.setattr(lease, "is_lapsed", lambda parameter, listing: True)
    with pytest.raises(LeaseError, match="lapsed"):
        first.check()


def test_whether_a_lease_lapsed_is_judged_by_the_clouds_clock(parameters: Parameters) -> None:
    hold(parameters, "run-one", seconds=60)
    listing = parameters.list_below(PATH)
    age = (listing.now - listing.parameters[0].modified).total_seconds()
    assert -2 < age < 30


def test_a_held_lease_is_renewed_in_the_background(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = threading.Event()
    monkeypatch.setattr(lease, "RENEWALS_PER_TERM", 100)
    renew = lease.Lease.renew

    def noticed(self: lease.Lease) -> None:
        renew(self)
        renewed.set()

    monkeypatch.setattr(lease.Lease, "renew", noticed)
    with hold_in_background(parameters, 3):
        assert renewed.wait(30)
        versions = parameters.list_below(PATH).parameters
    assert versions[0].version >= 2


def test_after_the_block_the_lease_is_free_even_after_an_error(parameters: Parameters) -> None:
    with (
        pytest.raises(ValueError, match="broken"),
        hold_in_background(parameters, 60),
    ):
        raise ValueError("broken")
    hold(parameters, "run-two").check()


def test_something_else_below_the_path_is_not_taken_for_a_lease(parameters: Parameters) -> None:
    parameters.put(f"{PATH}/1", "hello")
    with pytest.raises(LeaseError, match="does not hold a lease"):
        hold(parameters, "run-one")


def test_one_can_wait_until_a_lease_is_free(parameters: Parameters) -> None:
    first = hold(parameters, "run-one")
    looks: list[float] = []

    def let_go(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            first.release()

    waiter = Waiter(Recorder(), pause=let_go)
    lease.wait_until_free(parameters, PATH, waiter, 60)
    assert len(looks) == 3
    hold(parameters, "run-two").check()


def test_waiting_in_vain_leaves_it_to_others_to_say_who_holds_it(parameters: Parameters) -> None:
    hold(parameters, "run-one")
    now = iter(range(100))
    waiter = Waiter(Recorder(), clock=lambda: next(now), pause=lambda seconds: None)
    lease.wait_until_free(parameters, PATH, waiter, 5)
    with pytest.raises(LeaseError, match=r"run run-one of .* holds the lease"):
        hold(parameters, "run-two")


def test_a_lease_whose_forerunners_cannot_be_removed_is_let_go(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(parameters, "run-one").release()

    def refuse(name: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "DeleteParameter")

    monkeypatch.setattr(parameters, "delete", refuse)
    with pytest.raises(ClientError):
        hold(parameters, "run-two")
    monkeypatch.undo()
    hold(parameters, "run-three").check()


class LaggingList:
    """Lists parameters as they were some time ago."""

    def __init__(self, parameters: Parameters, monkeypatch: pytest.MonkeyPatch) -> None:
        self._then = parameters.list_below(PATH)
        monkeypatch.setattr(parameters, "list_below", lambda path: self._then)


def test_a_list_that_lags_behind_the_create_blocks_nobody(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    LaggingList(parameters, monkeypatch)
    first = hold(parameters, "run-one")
    first.check()
    with pytest.raises(LeaseError, match="run run-one of "):
        hold(parameters, "run-two")
    first.release()
    for number in range(3, 9):
        following = hold(parameters, f"run-{number}")
        following.check()
        following.release()


def test_a_list_that_still_has_what_was_deleted_misleads_nobody(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(parameters, "run-one").release()
    LaggingList(parameters, monkeypatch)
    hold(parameters, "run-two").release()
    third = hold(parameters, "run-three")
    assert third.name == f"{PATH}/3"
    third.check()
    with pytest.raises(LeaseError, match="run run-three of "):
        hold(parameters, "run-four")


def test_a_lease_that_is_not_found_right_after_it_was_created_is_waited_for(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_all, hidden = parameters.get_all, [3]

    def get_late(names: Sequence[str]) -> Listing:
        found = get_all(names)
        if found.parameters and hidden[0]:
            hidden[0] -= 1
            return Listing((), found.now)
        return found

    monkeypatch.setattr(parameters, "get_all", get_late)
    hold(parameters, "run-one").check()
    assert hidden == [0]


def test_a_create_whose_answer_was_lost_is_known_by_what_it_wrote(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = parameters.create

    def create_unheard(*what: Any) -> bool:
        create(*what)
        return create(*what)

    monkeypatch.setattr(parameters, "create", create_unheard)
    hold(parameters, "run-one").check()


def test_what_fails_after_the_create_lets_the_lease_go(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: lease.Lease) -> None:
        raise Interrupted

    monkeypatch.setattr(lease.Lease, "read", interrupt)
    with pytest.raises(Interrupted):
        hold(parameters, "run-one")
    monkeypatch.undo()
    hold(parameters, "run-two").check()


def test_ctrl_c_during_the_create_lets_the_lease_go_and_nobody_elses(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = parameters.create

    def interrupted(*what: Any) -> bool:
        create(*what)
        raise Interrupted

    monkeypatch.setattr(parameters, "create", interrupted)
    with pytest.raises(Interrupted):
        hold(parameters, "run-one")
    monkeypatch.undo()
    second = hold(parameters, "run-two")
    monkeypatch.setattr(lease, "is_lapsed", lambda parameter, listing: True)
    monkeypatch.setattr(lease, "read_number", lambda parameter: 1)  # the same number again
    monkeypatch.setattr(parameters, "create", interrupted)
    with pytest.raises(Interrupted):
        hold(parameters, "run-three")
    monkeypatch.undo()
    second.check()


def test_what_is_no_number_is_no_lease(parameters: Parameters) -> None:
    parameters.put(f"{PATH}/note", "hello")
    hold(parameters, "run-one").check()
