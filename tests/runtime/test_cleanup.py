"""The undo stack: reverse order, whatever happens, and a report of what is left behind."""

from __future__ import annotations

import pytest

from amikiln.errors import Interrupted
from amikiln.runtime.cleanup import Undo
from fakes import Recorder


def test_resources_are_removed_in_reverse_order() -> None:
    gone: list[str] = []
    with Undo(Recorder()) as undo:
        undo.add("first", lambda: gone.append("first"))
        undo.add("second", lambda: gone.append("second"))
    assert gone == ["second", "first"]


@pytest.mark.parametrize("error", [ValueError("broken"), Interrupted()])
def test_an_error_passes_through_after_the_undoing(error: BaseException) -> None:
    gone: list[str] = []
    with pytest.raises(type(error)), Undo(Recorder()) as undo:
        undo.add("first", lambda: gone.append("first"))
        raise error
    assert gone == ["first"]


def test_a_cancelled_action_is_not_called() -> None:
    gone: list[str] = []
    with Undo(Recorder()) as undo:
        undo.add("image ami-1", lambda: gone.append("image"))
        undo.add("instance i-1", lambda: gone.append("instance"))
        undo.cancel("image ami-1")
    assert gone == ["instance"]


def test_all_actions_can_be_cancelled_and_later_ones_still_count() -> None:
    gone: list[str] = []
    with Undo(Recorder()) as undo:
        undo.add("first", lambda: gone.append("first"))
        undo.cancel_all()
        undo.add("second", lambda: gone.append("second"))
    assert gone == ["second"]


def test_a_failing_action_is_reported_and_stops_no_other() -> None:
    gone: list[str] = []
    report = Recorder()

    def refuse() -> None:
        raise OSError("no network")

    with Undo(report) as undo:
        undo.add("first", lambda: gone.append("first"))
        undo.add("instance i-1", refuse)
    assert gone == ["first"]
    assert report.said == ["left behind: instance i-1: no network; the next run removes it"]


def test_an_action_that_fails_once_is_tried_again() -> None:
    tries: list[int] = []

    def refuse_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("throttled")

    report = Recorder()
    with Undo(report) as undo:
        undo.add("instance i-1", refuse_once)
    assert (len(tries), report.said) == (2, [])


def test_an_interrupt_during_clean_up_does_not_stop_it() -> None:
    gone: list[str] = []
    tries: list[int] = []

    def interrupted_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise Interrupted
        gone.append("second")

    with pytest.raises(Interrupted), Undo(Recorder()) as undo:
        undo.add("first", lambda: gone.append("first"))
        undo.add("second", interrupted_once)
    assert gone == ["second", "first"]


def test_a_second_interrupt_names_all_that_is_left() -> None:
    def interrupted() -> None:
        raise Interrupted

    with pytest.raises(Interrupted) as caught, Undo(Recorder()) as undo:
        undo.add("key pair k", lambda: None)
        undo.add("instance i-1", interrupted)
        raise Interrupted
    assert caught.value.left_behind == ("instance i-1", "key pair k")


def test_what_an_inner_stack_left_is_named_by_the_outer_one() -> None:
    def interrupted() -> None:
        raise Interrupted

    with pytest.raises(Interrupted) as caught, Undo(Recorder()) as outer:
        outer.add("lease", interrupted)
        with Undo(Recorder()) as inner:
            inner.add("instance i-1", interrupted)
            raise Interrupted
    assert caught.value.left_behind == ("instance i-1", "lease")
