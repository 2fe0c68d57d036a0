"""Jobs find the baked builder, as the agent runs them."""

from __future__ import annotations

import pytest

from amikiln.model.verdict import Outcome
from fakes import Script, plan
from verify.checks.conftest import RunCheck

BAKED = "baked-vllm-builder docker-container running"


@pytest.mark.parametrize(
    ("line", "instead", "evidence"),
    [
        (f"named\t{BAKED}", 'named\tfailed: ERROR: no builder "x" found', 'no builder "x" found'),
        (f"unnamed\t{BAKED}", "unnamed\tdefault docker running", "default docker running"),
        (f"home-folder\t{BAKED}", "home-folder\t", "no DOCKER_CONFIG, if the agent's hooks"),
        (f"plugin\t{BAKED}", "plugin\tdefault docker running", "a job with a plugin"),
        (f"beside-it\t{BAKED}", "beside-it\tamikiln-own docker-container running", "beside one"),
        (f"beside-it\t{BAKED}", "beside-it\tbaked-vllm-builder remote running", "remote running"),
        ("own\tamikiln-own docker-container inactive", f"own\t{BAKED}", "a job that made"),
        ("untouched\tyes", "untouched\tno", "lost cache"),
        ("untouched\tyes", "untouched\tyes\nsaid\tamikiln: no room", "amikiln: no room"),
    ],
)
def test_what_a_job_does_not_find_fails_with_a_hint(
    line: str, instead: str, evidence: str, script: Script, run: RunCheck
) -> None:
    assert line in script.jobs
    script.jobs = script.jobs.replace(line, instead)
    result = run("jobs-find-builder")
    assert result.outcome is Outcome.FAIL
    assert evidence in result.evidence
    assert "environment hook" in result.hint


def test_the_service_is_a_remote_builder(script: Script, run: RunCheck) -> None:
    served = plan(buildkit={"builder": "baked-vllm-builder", "driver": "systemd"})
    assert run("jobs-find-builder", served).outcome is Outcome.FAIL
    script.jobs = script.jobs.replace(BAKED, "baked-vllm-builder remote running")
    assert run("jobs-find-builder", served).outcome is Outcome.PASS


def test_an_answer_that_lacks_a_case_is_unknown(script: Script, run: RunCheck) -> None:
    script.jobs = script.jobs.replace("beside-it", "beside")
    assert run("jobs-find-builder").outcome is Outcome.UNKNOWN


def test_a_user_of_jobs_who_may_not_use_docker_fails(script: Script, run: RunCheck) -> None:
    script.repo_digests = "unusable: permission denied while trying to connect"
    result = run("images-present")
    assert result.outcome is Outcome.FAIL
    assert "jobs cannot use Docker: permission denied" in result.evidence
