"""How long a run may take: what follows from the deadlines, and what contradicts them."""

from __future__ import annotations

import pytest

from amikiln.recipe import render
from amikiln.recipe.context.checkout import FETCH_SECONDS
from amikiln.spec import timing
from amikiln.spec.contradictions import find_contradictions
from amikiln.verify.checks.run import BUILT_IN
from fakes import plan, spec

SHORT = {"boot_seconds": 20, "step_seconds": 3, "build_seconds": 5, "check_seconds": 1}


def test_the_shipped_steps_and_checks_are_no_more_than_are_counted() -> None:
    shipped = [path for path in render.read_shipped_files() if path.startswith("steps/")]
    assert 0 < len(shipped) <= timing.SHIPPED_STEPS
    assert 0 < len(BUILT_IN) + 2 <= timing.SHIPPED_CHECKS


def test_every_wait_is_in_the_sum_of_the_bake_s_machine() -> None:
    wanted = spec(deadlines={**SHORT, "stop_seconds": 7}, warm={"context": "warm", "attempts": 2})
    steps = (timing.SHIPPED_STEPS + 4 + timing.UPLOADS) * 3
    builds = (2 + 1) * (5 + timing.PAUSE_BETWEEN_ATTEMPTS_SECONDS)
    needed = timing.sum_bake_machine(wanted, own_steps=4)
    assert needed.seconds == 2 * 20 + steps + builds + 7 + timing.SHORT_COMMANDS_SECONDS
    assert timing.limit_warm_step(wanted) == 3 + builds
    assert (
        f"attempts of the warm build and of its parts 3 x {builds // 3} s (warm"
        in needed.describe()
    )


@pytest.mark.parametrize(
    ("key", "longer"),
    [
        (("deadlines", "boot_seconds"), ("bake", "verify")),
        (("deadlines", "step_seconds"), ("bake", "verify")),
        (("deadlines", "build_seconds"), ("bake",)),
        (("deadlines", "stop_seconds"), ("bake",)),
        (("deadlines", "check_seconds"), ("verify",)),
        (("verify", "builder_up_seconds"), ("verify",)),
    ],
)
def test_a_longer_deadline_lets_the_machines_live_longer_that_it_is_for(
    key: tuple[str, str], longer: tuple[str, ...]
) -> None:
    table, name = key
    seconds = getattr(getattr(spec(), table), name)
    before, after = plan(), plan(**{table: {name: seconds + 600}})
    for stage, pair in {
        "bake": (before.request_bake_machine(), after.request_bake_machine()),
        "verify": (before.request_verify_machine("ami-1"), after.request_verify_machine("ami-1")),
    }.items():
        grew = pair[1].machine_minutes - pair[0].machine_minutes
        assert grew >= 10 if stage in longer else grew == 0
    assert after.longest("run").seconds > before.longest("run").seconds


def test_attempts_and_steps_of_one_s_own_count() -> None:
    more = {"context": "warm", "attempts": 10}
    assert plan(warm=more).request_bake_machine().machine_minutes > (
        plan().request_bake_machine().machine_minutes + 7 * 180
    )
    wanted = spec()
    assert timing.sum_bake_machine(wanted, 2).seconds == (
        timing.sum_bake_machine(wanted, 0).seconds + 2 * wanted.deadlines.step_seconds
    )
    assert timing.sum_verify_machine(wanted, 2).seconds == (
        timing.sum_verify_machine(wanted, 0).seconds + 2 * wanted.deadlines.step_seconds
    )


def test_each_secret_counts_where_it_is_sent() -> None:
    without, secrets = {"context": "warm"}, {"context": "warm", "secrets": ["a", "b"]}
    for needed in (timing.sum_bake_machine, timing.sum_verify_machine):
        more = needed(spec(warm=secrets), 0).seconds - needed(spec(warm=without), 0).seconds
        assert more == 4 * timing.SECRET_SECONDS


def test_a_build_of_a_commit_is_made_from_other_checkouts_too() -> None:
    of_git = spec(warm={"context": "https://example.org/a.git#main"})
    more = timing.limit_checkout_builds(of_git)
    assert more > timing.CHECKOUT_BUILDS * timing.CHECKOUT_BUILD_SECONDS
    in_all = timing.sum_verify_machine(of_git, 0).seconds
    assert in_all == timing.sum_verify_machine(spec(), 0).seconds + more


def test_a_given_timer_that_is_long_enough_is_used() -> None:
    planned = plan(deadlines={"machine_minutes": 9000})
    assert planned.request_bake_machine().machine_minutes == 9000
    assert planned.request_verify_machine("ami-1").machine_minutes == 9000
    assert find_contradictions(planned.spec, 0, 0) == []


def test_a_timer_that_fits_until_there_are_steps_of_one_s_own_is_a_fault_with_them() -> None:
    exactly = timing.sum_bake_machine(spec(), 0).minutes
    wanted = spec(deadlines={"machine_minutes": exactly})
    assert find_contradictions(wanted, 0, 0) == []
    (fault,) = find_contradictions(wanted, 1, 0)
    assert fault.startswith(f"deadlines.machine_minutes: {exactly} ends the machine of bake")
    assert f"steps {timing.SHIPPED_STEPS + 1} x 1800 s (deadlines.step_seconds)" in fault


def test_a_pipeline_s_steps_take_longer_than_what_runs_in_them() -> None:
    wanted = spec(deadlines={"lease_seconds": 3600})
    minutes = timing.pipeline_minutes(wanted, 0, 0)
    waits = timing.lease_wait_seconds(wanted)
    assert waits > wanted.deadlines.lease_seconds
    assert minutes["build"] * 60 >= timing.sum_bake(wanted, 0).seconds + waits
    assert minutes["verify"] * 60 >= timing.sum_verify(wanted, 0).seconds + waits
    assert minutes["publish"] * 60 >= waits
    # Each step may run on an agent that has not fetched the build's commit yet.
    of_git = spec(warm={"context": "https://example.org/a.git#main", "dockerfile": "Dockerfile"})
    more = timing.pipeline_minutes(of_git, 0, 0)
    same = timing.pipeline_minutes(spec(), 0, 0)
    assert {key for key in more if more[key] >= same[key] + FETCH_SECONDS // 60} == {
        "plan",
        "build",
        "verify",
    }
    assert timing.sum_bake(wanted, 0).seconds >= (
        timing.sum_bake_machine(wanted, 0).seconds + wanted.deadlines.image_seconds
    )
    whole = timing.sum_run(wanted, 0, 0).seconds
    assert whole >= timing.sum_bake(wanted, 0).seconds + timing.sum_verify(wanted, 0).seconds


def test_a_deadline_that_never_applies_is_a_fault() -> None:
    without = spec(deadlines={"build_seconds": 60}, warm=False)
    assert find_contradictions(without, 0, 0) == [
        "deadlines.build_seconds: never applies: there is no [warm]"
    ]
