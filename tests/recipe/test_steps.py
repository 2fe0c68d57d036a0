"""Each step of the recipe by itself, in a root folder: what it does, and that it can run again."""

from __future__ import annotations

import json

import pytest

from fakes import pin
from recipe.root_folder import ADD_OWNER, OWNER, RootFolder

BUILDKIT = {"builder": "baked-vllm-builder", "owner": OWNER}
CONTAINER = "buildx_buildkit_baked-vllm-builder0"

# Answers as Docker does.
DOCKER = """
case "$*" in
"version --format {{.Server.Version}}") echo "${DOCKER_VERSION:-26.1.5+dfsg1}" ;;
"version --format {{json .Server}}") echo '{"Version":"26.1.5"}' ;;
"buildx version")
    [ -e /state/no-buildx ] || echo "github.com/docker/buildx v${BUILDX_VERSION:-0.13.1} 0abc"
    [ ! -e /state/no-buildx ] ;;
"info --format"*) echo '{"driver":"overlay2","data_root":"/var/lib/docker"}' ;;
"buildx rm"*) rm -f /state/container ;;
"buildx create"*) touch /state/container; echo "home $HOME in $PWD" >>"$CALLS" ;;
"inspect buildx_buildkit_"*) [ -e /state/container ] ;;
"inspect --format {{range .Mounts}}"*) echo /var/lib/docker/volumes/state/_data ;;
"inspect --format {{.State.ExitCode}}"*) echo "${EXIT_CODE:-0}" ;;
"inspect --format"*) echo "running, restart always, network host" ;;
"exec "*" buildctl du "*) printf '4096\n-1\n8192\n\n' ;;
"exec "*) echo "buildkitd github.com/moby/buildkit v0.26.3 0abc" ;;
"image inspect"*) echo '{"id":"sha256:1","size":5}' ;;
"pull "*)
    echo begun >>/state/pulls
    [ "$(wc -l </state/pulls)" -gt "${PULLS_THAT_FAIL:-0}" ] || { echo "no route" >&2; exit 1; }
    ;;
esac
"""


@pytest.fixture
def docker(root: RootFolder) -> RootFolder:
    root.fake_program("docker", DOCKER)
    root.plan_changes = {"buildkit": BUILDKIT}
    return root


# -- 10-docker


def test_docker_that_is_there_is_started_and_its_versions_told(docker: RootFolder) -> None:
    first, second = docker.run("10-docker", times=2)
    assert (first.exit_code, first.said) == (0, "Docker 26.1.5+dfsg1, buildx 0.13.1\n")
    assert "systemctl enable --quiet docker.service" in first.calls
    assert "systemctl start docker.service" in first.calls
    assert second == first


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        (
            {"DOCKER_VERSION": "20.10.25"},
            "Docker is 20.10.25, and docker.minimum_version is 24.0",
        ),
        (
            {"BUILDX_VERSION": "0.9.1"},
            "buildx is 0.9.1, and docker.minimum_buildx_version is 0.12",
        ),
    ],
)
def test_what_is_too_old_is_named_with_the_specs_key(
    docker: RootFolder, variables: dict[str, str], fault: str
) -> None:
    docker.variables = variables
    (ran,) = docker.run("10-docker")
    assert (ran.exit_code, ran.said) == (1, f"error: {fault}\n")


@pytest.mark.parametrize(
    ("offered", "installed"),
    [
        ("docker.io docker-cli docker-buildx", "docker.io docker-cli docker-buildx"),
        ("docker.io docker-buildx", "docker.io docker-buildx"),
    ],
    ids=["Debian 13", "Ubuntu 24.04"],
)
def test_apt_installs_what_its_release_has(
    docker: RootFolder, offered: str, installed: str
) -> None:
    docker.variables = {"OFFERED": offered}
    docker.fake_program("apt-cache", 'case " $OFFERED " in *" $2 "*) ;; *) exit 100 ;; esac')
    docker.fake_program(
        "apt-get", 'case "$*" in *install*) mv /fakes/.docker /fakes/docker ;; esac'
    )
    hide = "mv /fakes/docker /fakes/.docker; rm -f /usr/bin/docker /usr/bin/dnf"
    (ran,) = docker.run("10-docker", before=hide)
    assert ran.exit_code == 0, ran.said
    asked = [call for call in ran.calls if call.startswith("apt-get")]
    assert asked == [
        "apt-get update -qq",
        f"apt-get install -y -qq --no-install-recommends {installed}",
    ]


def test_dnf_installs_docker(docker: RootFolder) -> None:
    docker.fake_program("dnf", 'case "$*" in install*) mv /fakes/.docker /fakes/docker ;; esac')
    hide = "mv /fakes/docker /fakes/.docker; rm -f /usr/bin/docker"
    (ran,) = docker.run("10-docker", before=hide)
    assert ran.exit_code == 0, ran.said
    assert "dnf install -y -q docker" in ran.calls


def test_a_missing_buildx_is_installed_from_what_is_offered(docker: RootFolder) -> None:
    docker.fake_program(
        "dnf", 'case "$*" in *list*buildx-plugin) ;; *list*) exit 1 ;; *) rm /state/* ;; esac'
    )
    (ran,) = docker.run("10-docker", before="touch /state/no-buildx")
    assert ran.exit_code == 0, ran.said
    assert "dnf install -y -q docker-buildx-plugin" in ran.calls


def test_a_buildx_that_nobody_offers_is_a_fault(docker: RootFolder) -> None:
    docker.fake_program("dnf", "exit 1")
    (ran,) = docker.run("10-docker", before="touch /state/no-buildx")
    assert ran.exit_code == 1
    assert "no buildx plugin" in ran.said


# -- 20-owner


def test_the_owner_is_made_once_and_may_talk_to_docker(docker: RootFolder) -> None:
    look = f"id -nG {OWNER}; getent passwd {OWNER} | cut -d: -f6,7"
    first, second = docker.run("20-owner", before="groupadd -f docker", times=2, after=look)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.said.startswith(f"user {OWNER} created\n")
    assert second.said == f"user {OWNER}: {OWNER} docker, home /var/lib/{OWNER}\n"
    assert docker.left == f"{OWNER} docker\n/var/lib/{OWNER}:/bin/bash\n"


# -- 30-builder


def test_the_builder_is_made_once_by_its_owner_in_its_home(docker: RootFolder) -> None:
    first, second = docker.run(
        "30-builder",
        before=ADD_OWNER,
        times=2,
        after="cat /etc/buildkit/buildkitd.toml /etc/amikiln/builder-state-directory",
    )
    assert (first.exit_code, second.exit_code) == (0, 0), first.said + second.said
    (buildkit,) = pin(["moby/buildkit:v0.26.3"])
    (create,) = [call for call in first.calls if "buildx create" in call]
    for option in (
        "--name baked-vllm-builder",
        "--driver docker-container",
        f"--driver-opt image={buildkit.by_digest}",
        "--driver-opt network=host",
        "--config /etc/buildkit/buildkitd.toml",
        "--use",
        "--bootstrap",
    ):
        assert option in create
    assert f"home /home/{OWNER} in /home/{OWNER}" in first.calls
    assert f"docker update --restart=always {CONTAINER}" in first.calls
    assert docker.left.endswith("/var/lib/docker/volumes/state/_data\n")
    assert docker.left.startswith("[worker.oci]\n  max-parallelism = 16\n  gc = false\n")

    assert "builder baked-vllm-builder is there already" in second.said
    assert not [call for call in second.calls if "buildx create" in call or "buildx rm" in call]


def test_another_configuration_makes_another_builder(docker: RootFolder) -> None:
    before = f"{ADD_OWNER}; mkdir -p /etc/amikiln; touch /state/container"
    (ran,) = docker.run("30-builder", before=f"{before}; echo other >/etc/amikiln/builder.sha256")
    calls = " | ".join(ran.calls)
    assert calls.index("buildx rm --force baked-vllm-builder") < calls.index("buildx create")


# -- 40-images


@pytest.fixture
def images(docker: RootFolder) -> RootFolder:
    docker.fake_program("sleep")
    docker.plan_changes["docker"] = {"images": [f"host/app:{number}" for number in range(9)]}
    return docker


def test_images_are_pulled_by_digest_and_tagged(images: RootFolder) -> None:
    (ran,) = images.run("40-images")
    assert ran.exit_code == 0
    for image in pin([f"host/app:{number}" for number in range(9)]):
        assert f"docker pull --quiet {image.by_digest}" in ran.calls
        assert f"docker tag {image.by_digest} {image.reference}" in ran.calls
        assert f"pulled {image.reference}\n" in ran.said


def test_a_pull_that_fails_is_tried_again_later(images: RootFolder) -> None:
    images.plan_changes["docker"] = {"images": ["host/app:1"]}
    images.variables = {"PULLS_THAT_FAIL": "2"}
    (ran,) = images.run("40-images")
    assert ran.exit_code == 0
    assert "pull of host/app:1 failed (attempt 2 of 3)" in ran.said
    assert "pulled host/app:1" in ran.said
    assert [call for call in ran.calls if call.startswith("sleep")] == ["sleep 5", "sleep 10"]


def test_a_pull_that_never_works_fails_the_step_and_not_the_others(images: RootFolder) -> None:
    images.plan_changes["docker"] = {"images": ["host/app:1"]}
    images.variables = {"PULLS_THAT_FAIL": "99"}
    (ran,) = images.run("40-images")
    assert ran.exit_code == 1
    assert "no route" in ran.said
    assert "error: not every image could be pulled" in ran.said


def test_no_images_are_no_fault(images: RootFolder) -> None:
    images.plan_changes["docker"] = {"images": []}
    (ran,) = images.run("40-images")
    assert ran.exit_code == 0
    assert not [call for call in ran.calls if "pull" in call]


def test_four_are_pulled_at_once_and_no_more(images: RootFolder) -> None:
    # A pull takes the lowest free slot, and lasts until four were taken at once.
    images.fake_program(
        "docker",
        """
[ "$1" = pull ] || exit 0
slot=1
until mkdir "/state/$slot" 2>/dev/null; do slot=$((slot + 1)); done
echo "$slot" >>/results/slots
looks=0
until [ -d /state/4 ] || [ -e /state/met ] || [ "$looks" = 200 ]; do
    looks=$((looks + 1))
    /bin/sleep 0.05
done
touch /state/met
rmdir "/state/$slot"
""",
    )
    (ran,) = images.run("40-images")
    assert ran.exit_code == 0
    slots = (images.place / "results" / "slots").read_text().split()
    assert (len(slots), max(slots)) == (9, "4")


# -- 80-manifest


def test_the_manifest_tells_what_was_planned_and_what_is_there(docker: RootFolder) -> None:
    docker.fake_program("dpkg-query", "printf 'bash 5.2\\nlibc6 2.41-1\\n'")
    docker.fake_machine("systemd-nspawn")
    times = "printf '10-docker.sh 28\\n30-builder.sh 1\\n30-builder.sh 40\\n' >times.list"
    _, second = docker.run(
        "80-manifest", before=times, times=2, after="cat /etc/amikiln/manifest.json"
    )
    assert second.exit_code == 0, second.said
    manifest = json.loads(docker.left)
    (image,) = pin(["registry.example/team/app:latest"])
    assert manifest["planned"]["images"] == {image.reference: image.digest}
    assert manifest["images"] == {image.reference: {"id": "sha256:1", "size": 5}}
    assert manifest["packages"] == {"bash": "5.2", "libc6": "2.41-1"}
    assert manifest["seconds"]["10-docker.sh"] == 28
    assert manifest["seconds"]["30-builder.sh"] == 40
    assert manifest["docker"] == {"Version": "26.1.5"}
    assert manifest["buildx"] == "v0.13.1"
    assert manifest["buildkit"] == "v0.26.3"
    assert manifest["docker_store"]["driver"] == "overlay2"
    assert manifest["store"] == {"records": 3, "bytes": 12288}
    assert manifest["kernel"]
    assert manifest["machine"] == "systemd-nspawn"


# -- 90-settle


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


# -- 95-seal

SECRETS = {
    "root/.ssh/authorized_keys": "ssh-ed25519 AAAA run",
    "home/somebody/.ssh/authorized_keys": "ssh-ed25519 AAAA run",
    "home/somebody/.bash_history": "docker login",
    "root/.docker/config.json": '{"auths": {"host": {"auth": "c2VjcmV0"}}}',
    f"var/lib/{OWNER}/.docker/config.json": '{"auths": {"host": {"identitytoken": "t"}}}',
    "etc/ssh/ssh_host_ed25519_key": "PRIVATE",
    "var/lib/cloud/instance/user-data.txt": "#!/bin/sh",
    "var/log/journal/0123/system.journal": "sudo docker login",
    "home/somebody/.python_history": "import secret",
    "var/lib/apt/lists/mirror_Packages": "Package: bash",
    "var/cache/apt/archives/bash.deb": "!<arch>",
    "var/tmp/amikiln-context/Dockerfile": "FROM scratch",
    "tmp/.hidden": "leftover",
}
STAYS = {
    "home/somebody/.docker/config.json": '{"credHelpers": {"host": "ecr-login"}}',
    f"var/lib/{OWNER}/.docker/buildx/current": "baked-vllm-builder",
}


# This machine's own are below, and new ones come up while the test runs.
OWN_TEMPORARY_FILES = """
for folder in /tmp /var/tmp; do
    mount -t tmpfs tmpfs "$folder"
done
mkdir -p /var/tmp/amikiln-context
touch /tmp/.hidden /var/tmp/amikiln-context/Dockerfile"""


def test_nothing_of_the_run_stays_and_nothing_else_goes(docker: RootFolder) -> None:
    emptied = {"etc/machine-id": "0123\n", "var/log/cloud-init-output.log": "token=1\n"}
    for path, content in {**SECRETS, **STAYS, **emptied}.items():
        docker.put(path, content)
    look = "".join(f"ls -d /{path} 2>/dev/null || true;" for path in (*SECRETS, *STAYS))
    first, second = docker.run(
        "95-seal",
        before=f"{OWN_TEMPORARY_FILES}; useradd -r -d /var/lib/{OWNER} {OWNER}",
        times=2,
        after=f"{look} cat " + " ".join(f"/{path}" for path in emptied),
    )
    assert (first.exit_code, second.exit_code) == (0, 0), first.said
    assert docker.left.splitlines() == [f"/{path}" for path in STAYS]
    for said in (
        "removed: /root/.docker/config.json: it held a registry login (1)",
        "removed: histories in /home/somebody (2)",
        "removed: ssh host keys",
        "removed: cloud-init's state",
        "removed: package lists",
        "removed: temporary files",
        "emptied: log files",
        "emptied: /etc/machine-id",
    ):
        assert said in first.said
    assert "removed: " not in second.said.replace("removed: dnf's caches, by dnf clean all", "")
    assert "emptied: " not in second.said


# -- 96-boot


@pytest.mark.parametrize(
    ("change", "changed"),
    [(":", False), ("touch /boot/vmlinuz-7", True), ("mkdir /boot/x; rmdir /boot/x", True)],
)
def test_the_manifest_tells_whether_boot_changed(
    docker: RootFolder, change: str, changed: bool
) -> None:
    docker.put("etc/amikiln/manifest.json", '{"planned":{"image":"i"}}\n')
    # The clock of a file system ticks every 10 ms, or faster.
    before = f"touch values.env; sleep 0.05; {change}"
    first, second = docker.run(
        "96-boot", before=before, times=2, after="cat /etc/amikiln/manifest.json"
    )
    assert (first.exit_code, second.exit_code) == (0, 0), first.said + second.said
    assert json.loads(docker.left) == {"planned": {"image": "i"}, "boot_changed": changed}
    assert docker.left.count("boot_changed") == 1
    assert ("no machine has booted" in first.said) is changed
