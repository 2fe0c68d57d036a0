"""The builder as a systemd service: up as it was baked, and with the file's configuration."""

from __future__ import annotations

import pytest

from amikiln.model.verdict import Outcome
from amikiln.recipe import render
from amikiln.verify.checks.service import NOT_SHOWN
from fakes import FakeGuest, plan
from verify.checks.conftest import RunCheck

BUILDKIT = {"builder": "baked-vllm-builder", "driver": "systemd"}
STATE = f"""state active
at-boot enabled
restart always
limits -500 1048576
program /opt/buildkit/bin/buildkitd
nice 10
oom -500 files 1048576/1048576
weight 25
image {plan(buildkit=BUILDKIT).buildkit.by_digest}
programs as-baked
"""
IN_CONTAINER = STATE.replace("oom -500 files 1048576/1048576", NOT_SHOWN)


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (STATE, Outcome.PASS),
        (STATE.replace("image ", "image another/"), Outcome.FAIL),
        (STATE.replace("state active", "state failed"), Outcome.FAIL),
        (STATE.replace("enabled", "disabled"), Outcome.FAIL),
        (STATE.replace("weight 25", "weight 100"), Outcome.FAIL),
        (STATE.replace("as-baked", "changed"), Outcome.FAIL),
        (STATE.replace("oom -500", "oom 0"), Outcome.FAIL),
        (STATE.replace("/1048576", "/20000"), Outcome.FAIL),
        (IN_CONTAINER, Outcome.PASS),
        (IN_CONTAINER.replace("limits -500", "limits 0"), Outcome.FAIL),
        (IN_CONTAINER.replace(" 1048576", " 20000"), Outcome.FAIL),
        (STATE.replace("/opt/buildkit", "/usr"), Outcome.FAIL),
        ("", Outcome.FAIL),
    ],
)
def test_the_service_is_up_as_it_was_baked(state: str, outcome: Outcome, run: RunCheck) -> None:
    class ServiceGuest(FakeGuest):
        def run(self, command: str, **options: object) -> str:  # type: ignore[override]
            return state

    assert run("builder-up", plan(buildkit=BUILDKIT), guest=ServiceGuest).outcome is outcome


def test_what_a_container_cannot_show_is_said(run: RunCheck) -> None:
    class ServiceGuest(FakeGuest):
        def run(self, command: str, **options: object) -> str:  # type: ignore[override]
            return IN_CONTAINER

    evidence = run("builder-up", plan(buildkit=BUILDKIT), guest=ServiceGuest).evidence
    assert "OOM score and open files are not shown: in a container" in evidence


def test_the_services_builder_is_a_remote_one(run: RunCheck) -> None:
    failed = run("builder-answers", plan(buildkit=BUILDKIT))
    assert "wanted: baked-vllm-builder remote running gc off" in failed.evidence


START = "/opt/buildkit/bin/buildkitd --config /etc/buildkit/buildkitd.toml --group docker"


@pytest.mark.parametrize(
    ("facts", "changes", "outcome"),
    [
        (f"100 99 {START}", {}, Outcome.PASS),
        (f"100 100 {START}", {}, Outcome.PASS),
        (f"100 101 {START}", {}, Outcome.FAIL),
        ("100 99 /opt/buildkit/bin/buildkitd --config /etc/other.toml", {}, Outcome.FAIL),
        (f"100 99 {START}", {"max_parallelism": 2}, Outcome.FAIL),
        ("", {}, Outcome.UNKNOWN),
    ],
)
def test_the_services_configuration_is_the_one_it_started_with(
    facts: str, changes: dict[str, object], outcome: Outcome, run: RunCheck
) -> None:
    file = render.render_buildkitd_toml(plan(buildkit=BUILDKIT).spec)

    class ServiceGuest(FakeGuest):
        def run(self, command: str, **options: object) -> str:  # type: ignore[override]
            return facts if "MainPID" in command else file

    wanted = plan(buildkit=BUILDKIT | changes)
    assert run("builder-configured", wanted, guest=ServiceGuest).outcome is outcome
