"""give-builder.sh, which runs in each job of the fleet: it copies files, and never fails a job."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from amikiln.recipe import render

BUILDER = "baked"
RECORD = '{"Name":"baked","Driver":"remote"}\n'


class Machine:
    """A folder with what a bake leaves for jobs."""

    def __init__(self, place: Path) -> None:
        self.script = place / "give-builder"
        self.script.write_bytes(render.read_shipped_files()["give-builder.sh"])
        (place / "builder").mkdir()
        self.record = place / "builder" / BUILDER
        self.record.write_text(RECORD)
        self.home = place / "home"
        self.home.mkdir()
        self.folder = self.home / ".docker" / "buildx"

    def give(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(self.home), "PATH": os.environ["PATH"], **variables}
        done = subprocess.run(
            ["sh", self.script, *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        return done


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def current(folder: Path) -> Mapping[str, object]:
    found: Mapping[str, object] = json.loads((folder / "current").read_text())
    return found


def default(docker: str) -> str:
    """Return the name that buildx gives to the file of a Docker's default builder."""
    return sha256(docker.encode()).hexdigest()[:20]


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, "home/.docker/buildx"),
        ({"DOCKER_CONFIG": "", "BUILDX_CONFIG": ""}, "home/.docker/buildx"),
        ({"DOCKER_CONFIG": "{place}/of job"}, "of job/buildx"),
        ({"DOCKER_CONFIG": "{place}/d", "BUILDX_CONFIG": "{place}/deep/b"}, "deep/b"),
    ],
)
def test_it_goes_where_buildx_looks(
    variables: dict[str, str], folder: str, machine: Machine, tmp_path: Path
) -> None:
    given = {name: value.format(place=tmp_path) for name, value in variables.items()}
    assert machine.give(**given).stderr == ""
    found = tmp_path / folder
    assert (found / "instances" / BUILDER).read_text() == RECORD
    assert current(found) == {
        "Key": "unix:///var/run/docker.sock",
        "Name": BUILDER,
        "Global": False,
    }
    assert (found / "defaults" / default("unix:///run/docker.sock")).read_text() == BUILDER
    # As buildx makes them: nobody else's.
    assert found.stat().st_mode & 0o077 == 0
    assert {path.name for path in found.iterdir()} == {"instances", "defaults", "current"}


@pytest.mark.parametrize(
    ("variables", "config", "key"),
    [
        ({"DOCKER_HOST": "tcp://127.0.0.1:2375"}, "", "tcp://127.0.0.1:2375"),
        ({"DOCKER_CONTEXT": "rootless"}, "", "rootless"),
        ({"DOCKER_CONTEXT": "default"}, "", "unix:///var/run/docker.sock"),
        ({}, '{"auths": {}, "currentContext": "rootless"}', "rootless"),
        ({"DOCKER_HOST": "tcp://h:1"}, '{"currentContext": "rootless"}', "tcp://h:1"),
    ],
)
def test_it_is_current_for_the_docker_that_the_job_has(
    variables: dict[str, str], config: str, key: str, machine: Machine
) -> None:
    machine.folder.mkdir(parents=True)
    (machine.folder.parent / "config.json").write_text(config)
    machine.give(**variables)
    assert current(machine.folder)["Key"] == key
    assert (machine.folder / "defaults" / default(key)).read_text() == BUILDER


def test_what_goes_wrong_is_one_line_and_no_failure(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = machine.give(DOCKER_CONFIG=f"{tmp_path}/file").stderr
    assert said.startswith("amikiln: this job may not find the image's builder in")
    assert said.count("\n") == 1
    machine.record.unlink()
    said = machine.give().stderr
    assert said.startswith("amikiln: ")
    assert said.count("\n") == 1
    assert not (machine.folder / "current").exists()


def test_other_builders_of_the_folder_stay(machine: Machine) -> None:
    machine.give()
    (machine.folder / "instances" / "own").write_text("{}")
    machine.give()
    assert (machine.folder / "instances" / "own").read_text() == "{}"
    assert current(machine.folder)["Name"] == BUILDER


def test_late_only_what_a_plugin_has_just_made_is_changed(machine: Machine, tmp_path: Path) -> None:
    machine.give()
    (machine.folder / "current").write_text('{"Key":"x","Name":"own","Global":false}')
    machine.give("late")
    assert current(machine.folder)["Name"] == "own"

    chosen = tmp_path / "chosen" / "buildx"
    chosen.mkdir(parents=True)
    (chosen / "current").write_text('{"Key":"x","Name":"own","Global":false}')
    machine.give("late", DOCKER_CONFIG=str(chosen.parent))
    assert current(chosen)["Name"] == "own"

    machine.give("late", DOCKER_CONFIG=str(tmp_path / "new"))
    assert current(tmp_path / "new" / "buildx")["Name"] == BUILDER


def test_what_the_hook_itself_chose_counts_and_what_was_chosen_before_does_not(
    machine: Machine,
) -> None:
    machine.folder.mkdir(parents=True)
    chosen = machine.folder / "current"
    chosen.write_text('{"Key":"x","Name":"own","Global":false}')
    os.utime(chosen, (1000, 1000))
    machine.give("since", "1000")
    assert current(machine.folder)["Name"] == "own"
    assert (machine.folder / "instances" / BUILDER).read_text() == RECORD
    machine.give("since", "1001")
    assert current(machine.folder)["Name"] == BUILDER


def test_many_at_once_leave_whole_files(machine: Machine) -> None:
    environment = {"HOME": str(machine.home), "PATH": os.environ["PATH"]}
    jobs = [
        subprocess.Popen(["sh", machine.script], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    assert {job.communicate()[1] for job in jobs} == {""}
    assert (machine.folder / "instances" / BUILDER).read_text() == RECORD
    assert current(machine.folder)["Name"] == BUILDER
    assert {path.name for path in machine.folder.iterdir()} == {"instances", "defaults", "current"}


def test_it_starts_no_docker(machine: Machine, tmp_path: Path) -> None:
    docker = tmp_path / "programs" / "docker"
    docker.parent.mkdir()
    docker.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    docker.chmod(0o755)
    machine.give(PATH=f"{docker.parent}:{os.environ['PATH']}")
    assert (machine.folder / "current").exists()
    assert not (tmp_path / "started").exists()
