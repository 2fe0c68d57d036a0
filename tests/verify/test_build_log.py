"""How warm a build was, from BuildKit's log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amikiln.verify.build_log import Step, add_misses, compare_builds, find_broken, read_steps
from fakes import COLD, WARM, render_build_log

CASES = Path(__file__).parents[1] / "cases" / "rawjson"


def vertex(digest: str, name: str, **fields: object) -> str:
    return json.dumps(
        {"vertexes": [{"digest": digest, "name": name, **fields}]}, separators=(",", ":")
    )


START = "2026-11-24T06:00:00.000000001Z"
LATER = "2026-11-24T06:00:30.500000000Z"


def test_pulls_contexts_and_exports_are_not_steps_of_the_build() -> None:
    names = [
        "[internal] load build definition from Dockerfile",
        "[internal] load build context",
        "[compile 1/3] FROM registry.example/gcc:14@sha256:0abc",
        "[linux/amd64 compile 1/3] FROM registry.example/gcc:14",
        "[auth] library/debian:pull token for registry-1.docker.io",
        "importing cache manifest from registry.example/cache",
        "exporting to image",
        "[test] exporting cache to registry",
        "[test internal] load metadata for registry.example/gcc:14",
        "[compile 2/3] RUN make FROM=here",
        "[compile 3/3] COPY --from=other /a /b",
        "[test stage-1 1/2] WORKDIR /src",
    ]
    found = read_steps(render_build_log(*((name, 1.0) for name in names)))
    assert [step.name for step in found] == names[-3:]


def test_a_step_that_is_reported_many_times_counts_once() -> None:
    reports = [
        vertex("sha256:1", "[1/1] RUN make"),
        vertex("sha256:1", "[1/1] RUN make", started=START),
        vertex("sha256:1", "[1/1] RUN make", started=START, completed=LATER),
        vertex("sha256:1", "[1/1] RUN make", started=START, completed=LATER),
    ]
    assert read_steps("\n".join(reports)) == (Step("sha256:1", "[1/1] RUN make", False, 30.5),)


def test_a_step_is_known_to_be_a_hit_only_at_its_end() -> None:
    begun = vertex("sha256:1", "[1/1] RUN make", started=START)
    ended = vertex("sha256:1", "[1/1] RUN make", started=START, completed=LATER, cached=True)
    assert read_steps(f"{begun}\n{ended}\n") == (Step("sha256:1", "[1/1] RUN make", True, 0.0),)
    assert read_steps(begun) == (Step("sha256:1", "[1/1] RUN make", False, 0.0),)


def test_of_several_attempts_the_one_that_ran_the_step_counts() -> None:
    ran = vertex("sha256:1", "[1/1] RUN make", started=START, completed=LATER)
    found_again = vertex("sha256:1", "[1/1] RUN make", started=START, completed=LATER, cached=True)
    assert read_steps(f"{ran}\n{found_again}\n") == (
        Step("sha256:1", "[1/1] RUN make", False, 30.5),
    )


def test_fetching_the_layers_of_a_hit_is_not_running_it() -> None:
    hit = vertex("sha256:1", "[1/1] RUN make", started=START, completed=LATER, cached=True)
    unpacked = vertex("sha256:1", "[1/1] RUN make", started=START, completed=LATER)
    failed = vertex("sha256:1", "[1/1] RUN make", started=START, completed=LATER, error="no route")
    assert read_steps(f"{hit}\n{unpacked}\n") == (Step("sha256:1", "[1/1] RUN make", True, 0.0),)
    (broken,) = read_steps(f"{hit}\n{failed}\n")
    assert not broken.cached
    base = failed.replace("RUN make", "FROM base").replace("sha256:1", "sha256:2")
    other = failed.replace("[1/1] RUN make", "exporting").replace("sha256:1", "sha256:3")
    assert find_broken(f"{hit}\n{failed}\n{failed}\n{base}\n{other}\n") == (
        "[1/1] RUN make",
        "[1/1] FROM base",
    )


def test_what_another_build_missed_is_missed() -> None:
    asked = [Step("1", "RUN make", True, 0.0), Step("2", "COPY . .", True, 0.0)]
    read = [Step("1", "RUN make", False, 5.0), Step("3", "[other 2/2] RUN x", True, 0.0)]
    assert add_misses(asked, read) == (read[0], asked[1])


def test_a_step_that_was_imported_at_the_bake_weighs_as_much_as_the_others() -> None:
    cold = [
        Step("a", "RUN a", False, 20.0),
        Step("b", "RUN b", False, 10.0),
        Step("c", "RUN c", True, 0.0),
    ]
    hits = [Step(name, f"RUN {name}", True, 0.0) for name in "abc"]
    assert compare_builds(cold, hits).time_share == 1.0
    missed = [*hits[:2], Step("c", "RUN c", False, 1.0)]
    assert compare_builds(cold, missed).time_share == 30 / 45
    slow = [*hits[:2], Step("c", "RUN c", False, 60.0)]
    assert compare_builds(cold, slow).time_share == 30 / 90
    # Its own time is not held against the others' cold time.
    assert (compare_builds(cold, slow).cold_seconds, compare_builds(cold, slow).warm_seconds) == (
        30.0,
        0.0,
    )


def test_where_all_was_imported_each_step_counts_the_same() -> None:
    cold = [Step(name, f"RUN {name}", True, 0.0) for name in "abcd"]
    warm = [*cold[:3], Step("d", "RUN d", False, 100.0)]
    found = compare_builds(cold, warm)
    assert (found.imported, found.time_share, found.cold_seconds) == (4, 0.75, 0.0)


def test_other_output_is_ignored() -> None:
    assert read_steps('WARN: no output\n{"statuses":[{"id":"x"}]}\n') == ()


def test_half_a_report_is_an_error() -> None:
    with pytest.raises(ValueError, match="Unterminated"):
        read_steps('{"vertexes":[{"digest":"sha2')


def test_all_hits_save_all_the_time() -> None:
    found = compare_builds(read_steps(COLD), read_steps(WARM))
    assert (found.hits, found.steps, found.time_share) == (2, 2, 1.0)
    assert (found.cold_seconds, found.warm_seconds, found.missed) == (30.5, 0.0, ())


def test_a_missed_long_step_weighs_more_than_a_short_one() -> None:
    cold = [Step("m1", "RUN make", False, 90.0), Step("c2", "COPY . .", False, 10.0)]
    short = compare_builds(
        cold, [Step("m1", "RUN make", True, 0.0), Step("c2", "COPY . .", False, 9.0)]
    )
    long = compare_builds(
        cold, [Step("m1", "RUN make", False, 95.0), Step("c2", "COPY . .", True, 0.0)]
    )
    assert (short.hit_share, long.hit_share) == (0.5, 0.5)
    assert short.time_share == 0.9
    assert round(long.time_share, 3) == round(10 / 105, 3)
    assert long.missed == ("RUN make",)


def test_without_a_record_of_the_bake_each_step_counts_the_same() -> None:
    found = compare_builds([], [Step("a", "a", True, 0.0), Step("b", "b", True, 0.0)])
    assert (found.time_share, found.cold_seconds) == (1.0, 0.0)
    assert compare_builds([], [Step("a", "a", False, 3.0)]).time_share == 0.0
    assert compare_builds([], []).hit_share == 0.0


def test_a_step_is_matched_by_its_digest_else_by_its_name() -> None:
    cold = [Step("1", "[a source 2/2] RUN tar", False, 5.0), Step("2", "COPY . .", False, 2.0)]
    warm = [Step("1", "[b source 2/2] RUN tar", True, 0.0), Step("9", "COPY . .", False, 1.0)]
    assert compare_builds(cold, warm).time_share == 5 / 7


def test_the_logs_of_real_buildx_of_a_cold_and_a_warm_build() -> None:
    cold, warm = (read_steps((CASES / f"{name}.rawjson").read_text()) for name in ("cold", "warm"))
    found = compare_builds(cold, warm)
    assert (found.hits, found.steps, found.time_share) == (17, 17, 1.0)
    assert (found.cold_seconds, found.warm_seconds) == (663.16, 0.0)
