"""The builder as a service: its programs come out of the pinned image, once."""

from __future__ import annotations

import pytest

from recipe.root_folder import ADD_OWNER, OWNER, RootFolder

# `docker cp` brings programs that say their version.
DOCKER = r"""
case "$*" in
"image inspect"*) exit 1 ;;
"cp --quiet"*)
    mkdir -p "$4/bin"
    for name in buildkitd buildctl buildkit-runc sh; do
        printf "#!/bin/sh\necho %s github.com/moby/buildkit v0.26.3\n" $name >"$4/bin/$name"
        chmod 755 "$4/bin/$name"
    done
    ;;
esac
"""
SYSTEMCTL = 'case "$*" in *--property=Result*) echo "${RESULT:-success}" ;; esac'


@pytest.fixture
def served(root: RootFolder) -> RootFolder:
    root.fake_program("docker", DOCKER)
    root.fake_program("systemctl", SYSTEMCTL)
    root.plan_changes = {"buildkit": {"builder": "baked", "owner": OWNER, "driver": "systemd"}}
    return root


def test_its_programs_are_taken_out_of_the_pinned_image_once(served: RootFolder) -> None:
    look = (
        "cat /opt/buildkit/image; ls /opt/buildkit/bin; cat /etc/buildkit/buildkitd.toml"
        " /etc/systemd/system/buildkit.service /etc/systemd/system/buildkit-register.service"
    )
    first, second = served.run("30-builder", before=ADD_OWNER, times=2, after=look)
    assert (first.exit_code, second.exit_code) == (0, 0), first.said + second.said
    created = [call for call in first.calls if "docker create" in call]
    assert "moby/buildkit@sha256:" in created[0]
    assert "docker rm --force amikiln-programs" in first.calls
    assert any(call.startswith("docker image rm moby/buildkit@sha256:") for call in first.calls)
    image, *rest = served.left.splitlines()
    assert image.startswith("moby/buildkit@sha256:")
    assert rest[:3] == ["buildctl", "buildkit-runc", "buildkitd"]
    for line in (
        "Nice=10",
        "CPUWeight=25",
        "OOMScoreAdjust=-500",
        "LimitNOFILE=1048576",
        "TimeoutStopSec=300",
        "Restart=always",
        f"User={OWNER}",
        "  gc = false",
    ):
        assert line in rest
    assert "systemctl enable --quiet buildkit.service buildkit-register.service" in first.calls
    assert "builder baked is there already" in second.said
    assert not [call for call in second.calls if "docker create" in call]


def test_damaged_programs_are_taken_again(served: RootFolder) -> None:
    damage = "sh -eu steps/30-builder.sh; echo '# x' >>/opt/buildkit/bin/buildctl"
    (ran,) = served.run("30-builder", before=f"{ADD_OWNER}; {damage}")
    assert ran.exit_code == 0
    assert [call for call in ran.calls if "docker create" in call]


def test_a_service_that_had_to_be_killed_fails_the_bake(served: RootFolder) -> None:
    served.variables = {"RESULT": "timeout"}
    (ran,) = served.run("90-settle")
    assert ran.exit_code == 1
    assert "did not stop cleanly" in ran.said
    served.variables = {"RESULT": "success"}
    (ran,) = served.run("90-settle")
    assert ran.exit_code == 0
    assert ran.calls[-2:] == ["systemctl stop docker.socket docker.service", "sync "]
