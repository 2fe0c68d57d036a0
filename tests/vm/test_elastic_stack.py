"""An image for an Elastic CI Stack: baked from its image, booted as there, used by a job."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amikiln.verify.build_log import read_steps
from vm import stack_files
from vm.local_cloud import IMAGE_DIRECTORY, LocalCloud
from vm.planting import Planter, planter
from vm.programs import compile_program
from vm.test_planted_faults import not_passed

pytestmark = [pytest.mark.vm, pytest.mark.timeout(3600)]

LOCAL_SOURCE = 'name = "amikiln-base-debian-13-x86_64"\nowner = "136693071363"\n'
STACK_SOURCE = 'stack_version = "v6.71.1"\nstack_template = "aws-stack.yml"\n'
BUILDS = "/var/lib/buildkite-agent/builds"
CHECKOUT = f"{BUILDS}/agent-1/org/pipeline"

# What the stack's user data does before the agent starts, and then what its third script writes.
BOOT = """
BUILDKITE_ENABLE_INSTANCE_STORAGE=false BUILDKITE_MOUNT_TMPFS_AT_TMP=true \
    /usr/local/bin/bk-mount-instance-storage.sh
DOCKER_USERNS_REMAP=false DOCKER_EXPERIMENTAL=false DOCKER_NETWORKING_PROTOCOL=ipv4 \
    BUILDKITE_ENABLE_INSTANCE_STORAGE=false /usr/local/bin/bk-configure-docker.sh
cat >/var/lib/buildkite-agent/cfn-env <<'END'
function set_unless_present() { [[ -v $1 ]] || declare -gx "$1=$2"; }
export BUILDKITE_STACK_NAME=cpu BUILDKITE_STACK_VERSION=v6.71.1 BUILDKITE_ECR_POLICY=none
export DOCKER_USERNS_REMAP=false PLUGINS_ENABLED="secrets ecr docker-login"
END
"""

# As the agent's unit starts it, and the agent its jobs; the server's part is in the options.
JOB = """
install -d -o buildkite-agent {checkout}
chown -R buildkite-agent {checkout}
cd /var/lib/buildkite-agent && runuser -u buildkite-agent -- env -i \
    HOME=/var/lib/buildkite-agent PATH=/usr/local/bin:/usr/bin USER=buildkite-agent \
    TMPDIR=/var/tmp BUILDKITE_AGENT_ACCESS_TOKEN=of-no-use \
    BUILDKITE_BUILD_PATH={builds} \
    /usr/bin/buildkite-agent bootstrap --job 1 \
    --repository none --branch main --commit HEAD --build-path {builds} \
    --hooks-path /etc/buildkite-agent/hooks --bin-path /usr/bin \
    --plugins-path /var/tmp/plugins \
    --organization org --pipeline pipeline --pipeline-provider git --agent agent-1 --queue default \
    --phases command --command {command} 2>&1 || echo "the job failed: $?"
"""


def copy_image(cloud: LocalCloud, target: Path) -> Path:
    """Copy the original's image; its source is the local cloud's stand-in for the stack's."""
    folder = Path(shutil.copytree(IMAGE_DIRECTORY, target))
    spec = (folder / "image.toml").read_text()
    assert LOCAL_SOURCE in spec
    (folder / "image.toml").write_text(spec.replace(LOCAL_SOURCE, STACK_SOURCE))
    template = cloud.amikiln("cloud", "stack-template").stdout
    (folder / "aws-stack.yml").write_text(template)
    return folder


@pytest.fixture(scope="module")
def folder(local_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_image(local_cloud, tmp_path_factory.mktemp("images") / "stack")


def run(cloud: LocalCloud, folder: Path, name: str) -> dict[str, Any]:
    """Run the whole cycle under a name of its own, and return what it says of it."""
    names = ("--set", f"name={name}", "--set", f"publish.parameter=/buildkite/{name}")
    done = cloud.amikiln("run", folder, "--local", "--json", *names)
    found: dict[str, Any] = json.loads(done.stdout)["cycle"]
    return found


@pytest.fixture(scope="module")
def cycle(local_cloud: LocalCloud, folder: Path) -> dict[str, Any]:
    """A whole run; the first one builds the image that it starts from."""
    return run(local_cloud, folder, "for-a-stack")


@pytest.fixture(scope="module")
def machine(local_cloud: LocalCloud, cycle: dict[str, Any]) -> Iterator[Planter]:
    """A machine of its image that nothing has booted as the fleet does yet."""
    with planter(local_cloud, cycle["image"]["id"]) as found:
        yield found


def checks_of(cycle: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in cycle["verdict"]["checks"]}


def test_an_image_from_the_stacks_proves_itself_after_the_fleets_boot(
    cycle: dict[str, Any],
) -> None:
    checks = checks_of(cycle)
    assert {check["outcome"] for check in checks.values()} == {"pass"}
    assert next(iter(checks)) == "fleet-boot"
    ran = "bk-mount-instance-storage.sh and bk-configure-docker.sh"
    assert f"ran {ran}" in checks["fleet-boot"]["evidence"]
    assert "programs and 5 units of the stack are there" in checks["stack-complete"]["evidence"]
    assert "docker-low-disk-gc.timer does when the disk" in checks["nothing-prunes"]["evidence"]
    assert "17 of 17 steps are hits" in checks["builds-are-warm"]["evidence"]


def verify_with(
    cloud: LocalCloud, folder: Path, image_id: str, verdict: Path, *changes: str
) -> dict[str, str]:
    names = ("name=for-a-stack", "publish.parameter=/buildkite/for-a-stack", *changes)
    words = [word for change in names for word in ("--set", change)]
    return not_passed(cloud, image_id, verdict, folder, changes=words)


def test_what_the_boot_scripts_move_away_is_missed(
    local_cloud: LocalCloud, folder: Path, cycle: dict[str, Any], tmp_path: Path
) -> None:
    found = verify_with(
        local_cloud,
        folder,
        cycle["image"]["id"],
        tmp_path / "verdict.json",
        "fleet.instance_storage=true",
        "verify.builder_up_seconds=5",
    )
    assert "fleet-boot" not in found
    assert "/mnt/ephemeral/docker" in found["docker-as-baked"]
    assert "missing" in found["images-present"]
    assert "builder-up" in found


def test_what_would_stop_a_stacks_machine_fails_the_image(
    local_cloud: LocalCloud, folder: Path, machine: Planter, tmp_path: Path
) -> None:
    timer = "/etc/systemd/system/docker-gc.timer"
    install = "/usr/local/bin/bk-install-elastic-stack.sh"
    lost = "/usr/bin/lifecycled"
    machine.run(f"mv {lost} {timer} /root; chmod -x {install}; ln -s /dev/null {timer}")
    image_id = machine.image("no-stack")
    machine.run(
        f"mv -f /root/docker-gc.timer {timer}; mv /root/lifecycled {lost}; chmod +x {install}"
    )
    found = verify_with(local_cloud, folder, image_id, tmp_path / "verdict.json")
    assert found["fleet-boot"].startswith("fail: bk-configure-docker.sh exited with 1: ")
    assert "masked" in found["fleet-boot"]
    for fault in (
        "lifecycled is missing",
        "/usr/local/bin/bk-install-elastic-stack.sh is not executable",
        "docker-gc.timer is masked",
    ):
        assert fault in found["stack-complete"]


def test_a_clean_up_that_the_boot_enables_is_found(
    local_cloud: LocalCloud, folder: Path, machine: Planter, tmp_path: Path
) -> None:
    gc = "/usr/local/bin/docker-gc"
    machine.run(f"cp {gc} /root; echo 'docker builder prune --all --force' >>{gc}")
    image_id = machine.image("prunes")
    machine.run(f"cp /root/docker-gc {gc}")
    found = verify_with(local_cloud, folder, image_id, tmp_path / "verdict.json")
    assert found.keys() == {"nothing-prunes"}
    assert f"docker-gc.timer ({gc})" in found["nothing-prunes"]


def pack(folder: Path) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(folder, arcname=".")
    return packed.getvalue()


def compact(reports: str) -> str:
    """Return BuildKit's reports one a line; some releases of buildx write each on many."""
    decoder, lines, at = json.JSONDecoder(), [], reports.find("{")
    while at >= 0:
        report, end = decoder.raw_decode(reports, at)
        lines.append(json.dumps(report, separators=(",", ":")))
        at = reports.find("{", end)
    return "\n".join(lines)


def test_a_job_that_the_real_agent_runs_finds_every_step(machine: Planter) -> None:
    """Last of those on this machine, which is booted as the fleet's are."""
    machine.run(
        "cat >/usr/bin/buildkite-agent", input=compile_program("buildkite-agent").read_bytes()
    )
    machine.run(f"chmod 755 /usr/bin/buildkite-agent\n{BOOT}")
    machine.run(
        f"mkdir -p {CHECKOUT} && tar -C {CHECKOUT} -xf -", input=pack(IMAGE_DIRECTORY / "warm")
    )
    for number, builder in enumerate(("", "--builder baked-vllm-builder")):
        log = f"/var/tmp/job-{number}.rawjson"  # noqa: S108
        build = f"docker buildx bake {builder} --progress rawjson --set=*.output=type=cacheonly"
        command = f"'echo config: \"$DOCKER_CONFIG\"; {build} 2>{log}'"
        said = machine.run(JOB.format(checkout=CHECKOUT, builds=BUILDS, command=command))
        assert "the job failed" not in said, said + machine.run(f"cat {log} || true")
        assert "config: /" in said
        assert "/var/lib/buildkite-agent/.docker" not in said
        steps = read_steps(compact(machine.run(f"cat {log}")))
        assert len(steps) == 17
        assert [step.name for step in steps if not step.cached] == []
    assert machine.run("ls /var/lib | grep -c elastic-stack-was-installed || true").strip() == "0"


def test_the_stacks_own_scripts_and_hook_of_the_release(
    local_cloud: LocalCloud, tmp_path: Path
) -> None:
    files = stack_files.fetch()
    folder = copy_image(local_cloud, tmp_path / "real")
    (folder / "steps").mkdir()
    step = folder / "steps" / "before-seal-stack.sh"
    step.write_text(stack_files.render_step(files))
    checks = checks_of(run(local_cloud, folder, "real-stack"))
    assert {check["outcome"] for check in checks.values()} == {"pass"}
    assert "ran bk-mount" in checks["fleet-boot"]["evidence"]
    assert "17 of 17 steps are hits" in checks["builds-are-warm"]["evidence"]
