"""The warm build as a step of the recipe: what it runs, what it keeps, what a failure shows."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path

import pytest

from amikiln.model.plan import Context
from amikiln.recipe import render
from fakes import plan
from recipe.root_folder import ADD_OWNER, OWNER, Ran, RootFolder
from recipe.warm_logs import (
    CONTEXT,
    END,
    FAILED,
    RESOLVE,
    SECRET,
    WORKED,
    prepare,
    report,
    said,
)


@pytest.fixture
def warm(root: RootFolder) -> RootFolder:
    return prepare(root)


def spread(line: str) -> str:
    """Return a report as buildx 0.13 prints it: with all of Go's indentation and escapes."""
    return (
        json.dumps(json.loads(line), indent=2).replace("&", "\\u0026")
        if line.startswith("{")
        else line
    )


def build(
    warm: RootFolder,
    *attempts: tuple[list[str], int],
    after: str = "",
    old_buildx: bool = False,
) -> Ran:
    """Run the step with a builder that answers each attempt with lines and an exit code."""
    for number, (lines, _) in enumerate(attempts, 1):
        lines = [spread(line) for line in lines] if old_buildx else lines
        warm.put(f"answers/{number}", "\n".join(lines) + "\n")
    codes = " ".join(str(code) for _, code in attempts)
    warm.fake_program(
        "docker",
        f"""
{RESOLVE}
printf '%s\\n' "$@" >/state/words
echo "COMMIT=$COMMIT HOME=$HOME in $PWD as $(id -un)" >>"$CALLS"
cat /run/amikiln-secrets/token >/state/secret
echo begun >>/state/attempts
attempt=$(wc -l </state/attempts)
cat "/answers/$attempt" >&2
set -- {codes}
shift $((attempt - 1))
exit "$1"
""",
    )
    secret = f"mkdir -p /run/amikiln-secrets; printf %s {SECRET} >/run/amikiln-secrets/token"
    before = f"{ADD_OWNER}; {CONTEXT}; {secret}; chmod 700 /run/amikiln-secrets"
    (ran,) = warm.run("50-warm", before=before, after=after)
    return ran


def test_the_real_build_runs_on_the_baked_builder_as_its_owner(warm: RootFolder) -> None:
    ran = build(warm, (WORKED, 0), after="cat /state/words")
    assert ran.exit_code == 0, ran.said
    assert warm.left.splitlines() == [
        "buildx",
        "bake",
        "--builder",
        "baked",
        "--progress",
        "rawjson",
        "--file=docker-bake.hcl",
        "--file=ci.hcl",
        "--set=*.args.FLAGS=-O2 it's",
        "--allow=fs.read=/recipe/nothing",
        "--allow=fs.read=/run/amikiln-secrets/token",
        "--allow=network.host",
        "--file=/recipe/warm-overlay.json",
        "--provenance=false",
        "--sbom=false",
        "--set=*.output=type=tar,dest=/dev/null",
        "--set=*.cache-to=type=gha",
        "test",
        "docs",
    ]
    assert f"COMMIT=0a b HOME=/home/{OWNER} in /var/tmp/amikiln-context as {OWNER}" in ran.calls


@pytest.mark.parametrize("old_buildx", [True, False])
def test_progress_is_told_in_words_and_each_state_once(warm: RootFolder, old_buildx: bool) -> None:
    ran = build(warm, (WORKED, 0), old_buildx=old_buildx)
    assert ran.said.splitlines() == [
        'begun: [1/2] RUN echo "a" && b',
        'done: [1/2] RUN echo "a" && b',
        "cached: [2/2] COPY . .",
        "the builder's cache holds the warm build",
    ]


@pytest.mark.parametrize("old_buildx", [True, False])
def test_the_steps_are_kept_and_nothing_that_they_wrote(warm: RootFolder, old_buildx: bool) -> None:
    build(warm, (WORKED, 0), after="cat /etc/amikiln/warm.rawjson", old_buildx=old_buildx)
    kept = [json.loads(line) for line in warm.left.splitlines()]
    assert [set(line) for line in kept] == [{"vertexes"}] * 4
    assert kept[2]["vertexes"][0]["completed"] == END


def test_secrets_are_the_owners_during_the_build_and_gone_after_it(warm: RootFolder) -> None:
    look = "cat /state/secret; echo; ls -d /run/amikiln-secrets 2>/dev/null || echo gone"
    ran = build(warm, (WORKED, 0), after=look)
    assert warm.left.splitlines() == [SECRET, "gone"]
    assert SECRET not in ran.said + " ".join(ran.calls)


def test_what_a_failing_step_wrote_is_shown_and_fails_the_bake(warm: RootFolder) -> None:
    look = "ls -d /run/amikiln-secrets /etc/amikiln/warm.rawjson 2>/dev/null || true"
    ran = build(warm, (FAILED, 1), (FAILED, 1), after=look)
    assert ran.exit_code == 1
    assert "failed: [2/2] RUN make\n" in ran.said
    assert "cc: no such file: lua.c\nmake: *** [all] Error 1\n" in ran.said
    assert "all is well" not in ran.said
    assert "ERROR: target default: failed to solve" in ran.said
    assert ran.said.endswith(
        "error: the warm build failed 2 times; what its failing step wrote is above\n"
    )
    assert warm.left == ""


def test_a_platform_that_cannot_run_is_named_and_not_tried_again(warm: RootFolder) -> None:
    lines = [*FAILED, report(logs=[said("3", "exec /bin/sh: exec format error\n")])]
    ran = build(warm, (lines, 1), (WORKED, 0))
    assert ran.exit_code == 1
    assert "error: a step is for a platform that this machine" in ran.said


def test_what_an_attempt_finished_counts_for_the_next_one(warm: RootFolder) -> None:
    ran = build(warm, (FAILED, 1), (WORKED, 0), after="cat /etc/amikiln/warm.rawjson")
    assert ran.exit_code == 0
    assert "attempt 1 of 2 failed, the next one follows" in ran.said
    assert "sleep 5" in ran.calls
    names = [json.loads(line)["vertexes"][0]["name"] for line in warm.left.splitlines()]
    assert "[2/2] RUN make" in names
    assert "[2/2] COPY . ." in names


def test_one_dockerfile_is_a_bake_file_with_one_target(warm: RootFolder) -> None:
    warm.plan_changes["warm"] = {"context": "warm", "dockerfile": "docker/Dockerfile"}
    look = "cat /recipe/warm-bake.json; tail -n 1 /state/words"
    ran = build(warm, (WORKED, 0), after=look)
    assert ran.exit_code == 0, ran.said
    target = {"context": ".", "dockerfile": "docker/Dockerfile"}
    assert warm.left == json.dumps({"target": {"default": target}}) + "default\n"


def test_without_a_warm_build_the_step_says_so_and_keeps_no_record(warm: RootFolder) -> None:
    warm.plan_changes["warm"] = False
    (ran,) = warm.run("50-warm", after="ls /etc/amikiln")
    assert (ran.exit_code, ran.said) == (
        0,
        "the spec has no [warm]: the builder's cache stays empty\n",
    )
    assert warm.left == ""


def test_hostile_values_stay_values(warm: RootFolder) -> None:
    hostile = "'; touch /state/owned; $(touch /state/owned) `touch /state/owned` \"\nnext"
    warm.plan_changes["warm"] = {
        "context": "warm",
        "dockerfile": "Dockerfile",
        "build_args": {"A": hostile},
        "variables": {"COMMIT": hostile},
    }
    ran = build(warm, (WORKED, 0), after="cat /state/words; ls /state")
    assert ran.exit_code == 0, ran.said
    assert f"--set=*.args.A={hostile}\n" in warm.left
    assert "owned\n" not in warm.left.partition("default\n")[2]


def test_bake_files_from_elsewhere_are_merged_in_their_place(warm: RootFolder) -> None:
    warm.plan_changes["warm"] = {
        "context": "warm",
        "bake_files": ["docker-bake.hcl", {"beside": "ci/ci.hcl"}, {"given": "bake-config.json"}],
        "target_args": {"test": {"JOBS": "2"}},
    }
    ran = build(warm, (WORKED, 0), after="cat /state/words")
    assert ran.exit_code == 0, ran.said
    words = [word for word in warm.left.splitlines() if word.startswith(("--file", "--set=test"))]
    assert words == [
        "--file=docker-bake.hcl",
        "--file=/run/amikiln/bake-files/2-ci.hcl",
        "--file=/run/amikiln/bake-files/3-bake-config.json",
        "--set=test.args.JOBS=2",
    ]


def test_the_commit_is_filled_in_where_the_spec_wants_it() -> None:
    wanted = {
        "context": "https://example.org/a.git#main",
        "dockerfile": "Dockerfile",
        "build_args": {"REVISION": "v1-{commit}'s {commit}"},
        "variables": {"COMMIT": "{commit}"},
    }
    planned = plan(warm=wanted)
    commit = "c" * 40
    context = Context(f"commit:{commit}", Path(), "https://example.org/a.git")
    files = render.render_recipe(dataclasses.replace(planned, context=context)).files
    names = ("resolved.env", "warm-arguments.sh", "warm-variables.sh")
    script = b"\n".join(files[name] for name in names) + b"\nprintf '%s\\n' \"$@\"\n"
    said = subprocess.run(["sh", "-eu"], input=script, capture_output=True, check=True).stdout
    assert f"COMMIT={commit}\n" in said.decode()
    script = script.replace(files["warm-variables.sh"], b"")
    said = subprocess.run(["sh", "-eu"], input=script, capture_output=True, check=True).stdout
    assert f"--set=*.args.REVISION=v1-{commit}'s {commit}\n" in said.decode()
