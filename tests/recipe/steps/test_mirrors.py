"""15-mirrors: Docker asks the mirrors first, and what was configured before stays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recipe.root_folder import RootFolder

FILE = "/etc/docker/daemon.json"
MIRRORS = {"docker.io": ["mirror.example", "plain.example:5000"], "quay.io": ["q.example"]}
URLS = ["https://mirror.example", "http://plain.example:5000"]


@pytest.fixture
def machine(docker: RootFolder) -> RootFolder:
    docker.fake_program("systemctl")
    docker.plan_changes["mirrors"] = MIRRORS
    docker.plan_changes["buildkit"] = {
        **docker.plan_changes["buildkit"],
        "plain_http_registries": ["plain.example:5000"],
    }
    return docker


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, {"registry-mirrors": URLS}),
        ({"data-root": "/x"}, {"data-root": "/x", "registry-mirrors": URLS}),
        (
            {"registry-mirrors": ["https://own.example", URLS[1]]},
            {"registry-mirrors": [*URLS, "https://own.example"]},
        ),
    ],
)
def test_mirrors_come_first_and_all_else_stays(
    machine: RootFolder, before: dict[str, Any] | None, after: dict[str, Any]
) -> None:
    if before is not None:
        machine.put(FILE[1:], json.dumps(before))
    first, second = machine.run("15-mirrors", times=2, after=f"cat {FILE}")
    assert json.loads(machine.left) == after
    # Docker is told of a change, and only of a change.
    assert first.calls == ["systemctl reload docker.service"]
    assert second.calls == []


def test_without_mirrors_nothing_is_touched(machine: RootFolder) -> None:
    machine.plan_changes["mirrors"] = {"quay.io": ["q.example"]}
    (ran,) = machine.run("15-mirrors", after=f"ls {FILE} 2>/dev/null || true")
    assert (ran.exit_code, ran.calls, machine.left) == (0, [], "")


def test_a_file_that_is_no_json_is_named_and_left(machine: RootFolder) -> None:
    machine.put(FILE[1:], "{broken")
    (ran,) = machine.run("15-mirrors", after=f"cat {FILE}")
    assert ran.exit_code == 1
    assert f"error: {FILE} is no JSON" in ran.said
    assert machine.left == "{broken"
