"""A user who may become root by sudo has container machines, and no file of root's.

The user is made for the test, with a home and a line for sudo, and removed afterwards.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from amikiln.runtime import process
from amikiln.runtime.progress import PlainReporter
from amikiln.runtime.wait import Waiter
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.container import trial
from amikiln_localcloud.machines.contract import SnapshotFiles
from vm.traces import await_no_traces

pytestmark = pytest.mark.vm

NAME = "amikiln-tried"
RULE = Path("/etc/sudoers.d") / NAME
PYTHON = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
CACHED = ("base", "image-", "buildkit-programs-")
"""What is in the user's own cache already: to make it takes minutes."""


@dataclass(frozen=True)
class User:
    """Somebody who is not root, with a cache of their own."""

    home: Path
    cache: Path

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "HOME": self.home,
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AMIKILN_CACHE": self.cache,
        }
        words = [f"{name}={value}" for name, value in environment.items()]
        return subprocess.run(
            ["runuser", "-u", NAME, "--", "env", "-i", *words, *argv],
            capture_output=True,
            text=True,
            cwd=self.home,
            check=False,
        )

    def amikiln(self, *words: str) -> str:
        done = self.run(PYTHON, "-m", "amikiln", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files_of_others(self) -> list[str]:
        """Return the files in the home and the cache that are somebody else's."""
        found = ["find", self.home, self.cache, "!", "-user", NAME, "!", "-type", "f", "-o"]
        found += ["!", "-user", NAME, "-newer", self.cache / "begun"]
        return process.run(found).stdout.decode().splitlines()


@pytest.fixture
def user(base: SnapshotFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    if os.geteuid() != 0 or shutil.which("sudo") is None or not Path(PYTHON).exists():
        pytest.skip(f"needs root, sudo and {PYTHON}")
    if obstacle := trial.find_missing():
        pytest.skip(f"no container machines: {obstacle}")
    home = Path("/home") / NAME
    process.run(["useradd", "--create-home", "--home-dir", home, NAME])
    cache = Path("/var/tmp") / NAME  # noqa: S108  (on no tmpfs, and the user can get there)
    try:
        RULE.write_text(f"{NAME} ALL=(ALL) NOPASSWD: ALL\n")
        RULE.chmod(0o440)
        _copy_cache(Home.default().cache, cache)
        user = User(home, cache)
        can_import = user.run(PYTHON, "-c", "import amikiln_localcloud, pydantic")
        if can_import.returncode:
            pytest.skip(f"the user cannot run amikiln with {PYTHON}: {can_import.stderr}")
        yield user
        user.run(PYTHON, "-m", "amikiln", "cloud", "down")
    finally:
        RULE.unlink(missing_ok=True)
        process.run(["userdel", "--force", "--remove", NAME])
        shutil.rmtree(cache, ignore_errors=True)


def _copy_cache(source: Path, target: Path) -> None:
    """Copy what is needed of a cache by hard links; folders, and so the locks in them, are new."""
    target.mkdir(mode=0o755)
    for entry in source.iterdir():
        if entry.name.startswith(CACHED) and not entry.name.endswith("-unpacked"):
            process.run(["cp", "--archive", "--link", entry, target])
    process.run(["find", target, "-name", "*lock", "-delete"])
    process.run(["find", target, "-type", "d", "-exec", "chown", NAME, "{}", "+"])
    (target / "begun").touch()
    shutil.chown(target / "begun", NAME)


def test_a_user_with_sudo_has_container_machines_and_no_file_of_roots(user: User) -> None:
    user.amikiln("cloud", "up", "--machines", "container")
    up = json.loads(user.amikiln("cloud", "status", "--json"))
    assert up["machines"] == "container"
    assert Path(f"/proc/{up['pid']}").stat().st_uid != 0
    instance, address = _launch(user)
    directory = user.home / ".local/state/amikiln/cloud/instances" / instance
    assert directory.is_dir()

    user.amikiln("cloud", "down")
    assert not directory.exists()
    assert user.files_of_others() == []
    await_no_traces(directory, address)


def test_a_users_daemon_that_is_killed_leaves_nothing_of_roots(user: User) -> None:
    user.amikiln("cloud", "up", "--machines", "container")
    instance, address = _launch(user)
    directory = user.home / ".local/state/amikiln/cloud/instances" / instance
    os.kill(json.loads(user.amikiln("cloud", "status", "--json"))["pid"], signal.SIGKILL)
    await_no_traces(directory, address)
    user.amikiln("cloud", "up")
    assert not directory.exists()
    user.amikiln("cloud", "down")
    assert user.files_of_others() == []


def _launch(user: User) -> tuple[str, str]:
    """Launch a machine, keep an image of it while it runs; return its id and its address."""
    said = user.run("sh", "-c", f'eval "$({PYTHON} -m amikiln cloud env)" && env -0')
    variables = dict(entry.split("=", 1) for entry in said.stdout.split("\0") if entry)
    session = boto3.Session(
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_REGION"],
    )
    ec2 = session.client("ec2", endpoint_url=variables["AWS_ENDPOINT_URL"])
    (base,) = ec2.describe_images(Owners=["136693071363"])["Images"]
    launched = ec2.run_instances(
        ImageId=base["ImageId"], InstanceType="t3.small", MinCount=1, MaxCount=1
    )
    instance = launched["Instances"][0]["InstanceId"]

    def look(state: str, found: dict[str, Any]) -> dict[str, Any] | None:
        assert found["State"] not in ("failed", "terminated"), found
        return found if found["State"] == state else None

    def running() -> dict[str, Any] | None:
        (reservation,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
        machine = reservation["Instances"][0]
        return look("running", {**machine, "State": machine["State"]["Name"]})

    def written() -> dict[str, Any] | None:
        return look("available", ec2.describe_images(ImageIds=[image])["Images"][0])

    waiter = Waiter(PlainReporter())
    address = waiter.until(running, what="the machine to run", deadline_seconds=60)
    image = ec2.create_image(InstanceId=instance, Name=instance, NoReboot=True)["ImageId"]
    waiter.until(written, what="its image to be written", deadline_seconds=120)
    return instance, address["PublicIpAddress"]
