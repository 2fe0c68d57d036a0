"""Another checkout of the commit: which steps no job can find in the cache, and why."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from amikiln.model.plan import Context, Plan
from amikiln.model.verdict import Outcome
from amikiln.verify.checks.run import list_checks
from fakes import FakeGuest, plan, render_build_log
from verify.checks.conftest import RunCheck

APT, COPY, MAKE, DOCS = "[2/4] RUN apt", "[3/4] COPY . .", "[4/4] RUN make", "[docs 2/2] RUN docs"


def of_git(**changes: object) -> Plan:
    context = Context(f"commit:{'c' * 40}", Path(), "https://example.org/a.git")
    return dataclasses.replace(plan(**changes), context=context)


def answer(*builds: dict[str, bool], umask: str = "0022") -> type[FakeGuest]:
    """Return a guest on which the builds find these steps in the cache, or run them."""
    names = ("same", "checkout", "commit")
    said = ""
    for name, steps in zip(names, builds, strict=False):
        log = render_build_log(*((step, None if hit else 9.0) for step, hit in steps.items()))
        said += f"{log.strip()}\nended {name} 0\n"

    class Guest(FakeGuest):
        def run(self, command: str, **options: Any) -> str:
            if "check-checkout.sh" in command:
                return f"{said}{umask}\n"
            return super().run(command, **options)

    return Guest


ALL = dict.fromkeys((APT, COPY, MAKE, DOCS), True)


def test_a_checkout_that_finds_every_step_passes(run: RunCheck) -> None:
    result = run("checkouts-match", of_git(), guest=answer(ALL, ALL))
    assert result.outcome is Outcome.PASS
    assert result.evidence.endswith("4 of 4 steps are hits")


def test_files_that_jobs_may_have_otherwise_are_told(run: RunCheck) -> None:
    planned = of_git()
    assert planned.context is not None
    context = dataclasses.replace(planned.context, lfs_pointers=3)
    planned = dataclasses.replace(planned, context=context)
    result = run("checkouts-match", planned, guest=answer(ALL, ALL))
    assert "3 files are git-lfs pointers here: where agents have git-lfs" in result.evidence


def test_steps_that_read_git_are_named_first_and_those_that_follow_behind(run: RunCheck) -> None:
    # What follows a step that runs may never be reached.
    changed = {APT: True, COPY: False, DOCS: True}
    result = run("checkouts-match", of_git(), guest=answer(ALL, changed))
    assert result.outcome is Outcome.FAIL
    assert "2 of 4 steps are hits; no job finds these, for they read .git" in result.evidence
    assert f"follow one that does: {COPY}; {MAKE}" in result.evidence
    assert ".dockerignore" in result.hint
    assert result.figures == {"steps": 4, "hits": 2, "of_this_commit": 0}


def test_a_spec_may_ask_for_less_and_is_told_all_the_same(run: RunCheck) -> None:
    changed = {APT: True, COPY: False, DOCS: True}
    planned = of_git(verify={"minimum_checkout_hit_share": 0.5})
    result = run("checkouts-match", planned, guest=answer(ALL, changed))
    assert result.outcome is Outcome.PASS
    assert f"{COPY}; {MAKE}" in result.evidence


def test_steps_that_take_the_commit_are_named_and_pass(run: RunCheck) -> None:
    other = {**ALL, MAKE: False}
    result = run("checkouts-match", of_git(), guest=answer(ALL, ALL, other))
    assert result.outcome is Outcome.PASS
    assert "only jobs of this very commit find these, for they take {commit}" in result.evidence
    assert result.evidence.endswith(f": {MAKE}")
    assert result.figures["of_this_commit"] == 1


def test_another_umask_is_named_as_the_reason(run: RunCheck) -> None:
    changed = {APT: True, COPY: False}
    result = run("checkouts-match", of_git(), guest=answer(ALL, changed, umask="0002"))
    assert "the umask of jobs is 0002, not 0022" in result.evidence
    assert "UMask=0022" in result.hint


def test_a_step_that_is_no_hit_anyway_is_not_counted_here(run: RunCheck) -> None:
    cold = {**ALL, MAKE: False}
    result = run("checkouts-match", of_git(), guest=answer(cold, cold))
    assert (result.outcome, result.figures["steps"]) == (Outcome.PASS, 3)


@pytest.mark.parametrize("builds", [(), (ALL,), ({APT: False}, ALL)])
def test_without_two_builds_nothing_is_known(run: RunCheck, builds: tuple[Any, ...]) -> None:
    result = run("checkouts-match", of_git(), guest=answer(*builds))
    assert result.outcome is Outcome.UNKNOWN


def test_a_folder_has_no_other_checkouts() -> None:
    assert "checkouts-match" not in [check.name for check in list_checks(plan())]
    assert list_checks(of_git())[-1].name == "checkouts-match"


def test_a_step_that_targets_share_is_reported_for_any_of_them(run: RunCheck) -> None:
    before = {"[lua source 2/4] COPY a .": True, "[docs source 2/4] COPY b .": True}
    after = {"[checked source 2/4] COPY a .": True, "[checked 2/4] COPY b .": False}
    result = run("checkouts-match", of_git(), guest=answer(before, after))
    assert "follow one that does: [docs source 2/4] COPY b .; wanted" in result.evidence
