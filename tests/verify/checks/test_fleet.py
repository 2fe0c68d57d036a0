"""The fleet's boot: which scripts run, with what, and what their failures look like."""

from __future__ import annotations

import re

import pytest

from amikiln.model.verdict import Outcome
from amikiln.runtime.guest import Login
from amikiln.verify.checks.finding import Subject
from amikiln.verify.checks.fleet import render_job_environment
from fakes import FakeGuest, Script, fail_on, plan
from verify.checks.conftest import LOGIN, RunCheck


def boots(script: Script) -> list[str]:
    return [command for command in script.asked if "fleet.sh boot" in command]


def test_an_image_without_boot_scripts_gets_the_fleets_settings(
    script: Script, run: RunCheck
) -> None:
    result = run("fleet-boot", plan(fleet={"instance_storage": True}))
    assert result.outcome is Outcome.PASS
    assert "no boot scripts" in result.evidence
    assert any("systemctl restart docker.service" in command for command in script.asked)


def test_docker_that_does_not_start_with_the_settings_is_a_fail(
    script: Script, run: RunCheck
) -> None:
    script.refuse = fail_on("systemctl restart docker")
    result = run("fleet-boot", plan(fleet={"user_namespace_remap": True}))
    assert (result.outcome, "it broke" in result.evidence) == (Outcome.FAIL, True)


def test_the_stacks_scripts_run_in_its_order_with_the_fleets_environment(
    script: Script, run: RunCheck
) -> None:
    script.boot = "exit 0\n"
    fleet = {"instance_storage": True, "environment": {"DOCKER_EXPERIMENTAL": "a b"}}
    result = run("fleet-boot", plan(fleet=fleet, deadlines={"boot_seconds": 77}))
    assert result.outcome is Outcome.PASS
    mount, docker = boots(script)
    assert "fleet.sh boot 77 bk-mount-instance-storage.sh " in mount
    assert "BUILDKITE_ENABLE_INSTANCE_STORAGE=true BUILDKITE_MOUNT_TMPFS_AT_TMP=true" in mount
    assert "DOCKER_" not in mount
    assert "fleet.sh boot 77 bk-configure-docker.sh " in docker
    for word in (
        "DOCKER_USERNS_REMAP=false",
        "'DOCKER_EXPERIMENTAL=a b'",
        "DOCKER_NETWORKING_PROTOCOL=ipv4",
        "BUILDKITE_ENABLE_INSTANCE_STORAGE=true",
    ):
        assert word in docker
    # Its own settings are the scripts' concern.
    assert not any("daemon.json" in command for command in script.asked)


def test_nothing_is_run_before_the_boot_is_over(script: Script, run: RunCheck) -> None:
    run("fleet-boot")
    first = next(n for n, command in enumerate(script.asked) if "is-system-running" in command)
    assert all("fleet.sh" not in command for command in script.asked[:first])


def test_what_the_stack_starts_is_never_run(script: Script, run: RunCheck) -> None:
    script.boot = "exit 0\n"
    run("fleet-boot", plan(fleet={"elastic_stack": True}))
    run("stack-complete", plan(fleet={"elastic_stack": True}))
    ran = [re.split(r"fleet\.sh boot \d+ ", command)[1].split()[0] for command in boots(script)]
    assert ran == ["bk-mount-instance-storage.sh", "bk-configure-docker.sh"]
    never = ("bk-install-elastic-stack.sh", "lifecycled")
    for command in script.asked:
        if any(name in command for name in never):
            assert "fleet.sh programs" in command or "fleet.sh units" in command


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("exit 1\nUnit docker-gc.timer is masked.\n", "exited with 1: Unit docker-gc.timer is"),
        ("exit 124\nwaiting for nvme\n", "did not end within 600 s: waiting for nvme"),
        ("exit 137\n", "did not end within 600 s: it wrote nothing"),
    ],
)
def test_a_script_that_fails_or_hangs_fails_the_image(
    answer: str, said: str, script: Script, run: RunCheck
) -> None:
    script.boot = answer
    result = run("fleet-boot")
    assert result.outcome is Outcome.FAIL
    assert f"bk-mount-instance-storage.sh {said}" in result.evidence
    assert len(boots(script)) == 1


def test_an_answer_that_is_none_is_unknown(script: Script, run: RunCheck) -> None:
    script.boot = "\n"
    assert run("fleet-boot").outcome is Outcome.UNKNOWN


def test_jobs_find_what_the_install_script_writes_for_their_hook(
    script: Script, run: RunCheck
) -> None:
    script.boot = "exit 0\n"
    run("fleet-boot")
    (written,) = (text for command, text in script.sent.items() if "cfn-env" in command)
    assert b"set_always DOCKER_USERNS_REMAP false\n" in written


def test_no_job_can_end_the_machine_or_use_a_login() -> None:
    login = Login(LOGIN.address, LOGIN.user, LOGIN.key_directory)
    wanted = {"BUILDKITE_TERMINATE_INSTANCE_ON_DISK_FULL": "true", "DOCKER_PRUNE_UNTIL": "1h"}
    planned = plan(fleet={"environment": wanted})
    text = render_job_environment(Subject(FakeGuest(login, Script()), planned, ""))
    assert "set_always BUILDKITE_TERMINATE_INSTANCE_ON_DISK_FULL false\n" in text
    assert "set_always BUILDKITE_ECR_POLICY none\n" in text
    assert "set_always DOCKER_PRUNE_UNTIL 1h\n" in text
