"""A machine that is verified has the fleet's Docker settings, as its spec names them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from amikiln.runtime.guest import Login
from amikiln.verify.fleet_settings import apply_fleet_settings
from fakes import FakeGuest, Script, plan

LOGIN = Login("127.0.1.2", "ec2-user", Path("unused"))


def applied(**fleet: object) -> list[str]:
    script = Script()
    apply_fleet_settings(plan(fleet=fleet), FakeGuest(LOGIN, script))
    return script.asked


def test_by_default_nothing_is_changed() -> None:
    assert applied() == []


def test_docker_moves_to_the_machines_own_disks() -> None:
    _, command = applied(instance_storage=True)
    assert "mkdir -p /mnt/ephemeral/docker" in command
    assert '{"data-root": "/mnt/ephemeral/docker"}' in command
    assert command.endswith("systemctl restart docker.service")


def test_users_are_mapped_as_the_stack_does_it(tmp_path: Path) -> None:
    _, command = applied(user_namespace_remap=True)
    assert '"userns-remap": "buildkite-agent"' in command
    lines = command.replace("/etc/", f"{tmp_path}/").replace("docker/daemon", "daemon")
    lines = lines.replace("id -u buildkite-agent", "echo 123")
    lines = lines.replace("id -g buildkite-agent", "echo 124")
    lines = lines.replace("systemctl restart docker.service", "true")
    subprocess.run(["sh", "-euc", lines], check=True)
    assert (tmp_path / "subuid").read_text() == (
        "buildkite-agent:123:1\nbuildkite-agent:100000:65536\n"
    )
    assert (tmp_path / "subgid").read_text().startswith("buildkite-agent:124:1\n")
    assert json.loads((tmp_path / "daemon.json").read_text()) == {"userns-remap": "buildkite-agent"}


def test_what_daemon_json_says_already_stays() -> None:
    class ConfiguredGuest(FakeGuest):
        def run(self, command: str, **options: object) -> str:  # type: ignore[override]
            self._ask(command)
            return '{"log-driver": "journald"}' if command.startswith("cat ") else ""

    script = Script()
    wanted = plan(fleet={"instance_storage": True})
    apply_fleet_settings(wanted, ConfiguredGuest(LOGIN, script))
    assert '{"log-driver": "journald", "data-root"' in script.asked[1]


def test_a_daemon_json_that_cannot_be_read_is_not_written_over() -> None:
    class BrokenGuest(FakeGuest):
        def run(self, command: str, **options: object) -> str:  # type: ignore[override]
            self._ask(command)
            return "{"

    script = Script()
    with pytest.raises(ValueError, match="property name"):
        apply_fleet_settings(plan(fleet={"instance_storage": True}), BrokenGuest(LOGIN, script))
    assert len(script.asked) == 1
