"""The other builder, BuildKit as a service of systemd's: baked, proven warm, and its users'."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from vm.local_cloud import LocalCloud
from vm.planting import Planter, planter

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def machine(local_cloud: LocalCloud, served_run: dict[str, Any]) -> Iterator[Planter]:
    """A machine of its image."""
    with planter(local_cloud, served_run["image"]["id"]) as found:
        yield found


def test_its_builds_are_warm_on_a_cold_machine(served_run: dict[str, Any]) -> None:
    checks = {check["name"]: check for check in served_run["verdict"]["checks"]}
    assert {check["outcome"] for check in checks.values()} == {"pass"}
    assert "17 of 17 steps are hits" in checks["builds-are-warm"]["evidence"]


def test_the_service_is_gentle_to_the_agent(machine: Planter) -> None:
    wanted = {
        "Restart": "always",
        "TimeoutStopUSec": "5min",
        "LimitNOFILE": "1048576",
        "OOMScoreAdjust": "-500",
        "Nice": "10",
        "CPUWeight": "25",
    }
    names = " ".join(f"--property={name}" for name in wanted)
    said = machine.run(f"systemctl show {names} buildkit.service")
    assert dict(line.split("=", 1) for line in said.splitlines()) == wanted
    pid = machine.run("systemctl show --property=MainPID --value buildkit.service").strip()
    # A container machine may not lower a score, and systemd ignores that.
    in_container = machine.run("systemd-detect-virt --container || true").strip() != "none"
    score = machine.run(f"cat /proc/{pid}/oom_score_adj").strip()
    assert score == ("0" if in_container else "-500")
    assert machine.run("stat -c %G /run/buildkit/buildkitd.sock").strip() == "docker"


def test_jobs_build_with_it_and_no_container_is_needed(machine: Planter) -> None:
    image = "registry.amikiln.internal/q9t5s3a7/vllm-ci-postmerge-repo:latest"
    built = machine.run(
        "runuser -l buildkite-agent -c '"
        f'printf "FROM {image}\\nRUN cat /proc/self/oom_score_adj; id -u > /built\\n"'
        " | docker buildx build --progress plain - 2>&1'"
    )
    assert "DONE" in built
    # A step is for the kernel to kill before the agent.
    assert any(line.split()[-1:] == ["0"] for line in built.splitlines())
    assert machine.run("docker ps --all --quiet").strip() == ""


def test_its_programs_are_of_the_version_in_the_manifest(machine: Planter) -> None:
    version = machine.run("/opt/buildkit/bin/buildkitd --version")
    assert json.loads(machine.run("cat /etc/amikiln/manifest.json"))["buildkit"] in version
