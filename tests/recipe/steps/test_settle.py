"""90-settle: the builder and Docker are stopped before the disks are synced."""

from __future__ import annotations

from recipe.root_folder import CONTAINER, RootFolder


def test_the_builder_stops_before_docker_and_the_disks_are_synced_last(docker: RootFolder) -> None:
    (ran,) = docker.run("90-settle")
    assert ran.exit_code == 0
    assert ran.calls == [
        f"docker stop --time 300 {CONTAINER}",
        f"docker inspect --format {{{{.State.ExitCode}}}} {CONTAINER}",
        "systemctl stop docker.socket docker.service",
        "sync ",
    ]


def test_a_builder_that_had_to_be_killed_fails_the_bake(docker: RootFolder) -> None:
    docker.variables = {"EXIT_CODE": "137"}
    (ran,) = docker.run("90-settle")
    assert ran.exit_code == 1
    assert "its databases may be damaged" in ran.said
    assert "sync " not in ran.calls


def test_a_container_waits_for_its_own_disk_alone(docker: RootFolder) -> None:
    docker.fake_machine("systemd-nspawn")
    (ran,) = docker.run("90-settle")
    assert ran.exit_code == 0, ran.said
    assert ran.calls[-1] == "sync --file-system /"
