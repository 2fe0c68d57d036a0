"""Fixtures for tests that boot real machines."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from amikiln.runtime.progress import PlainReporter
from amikiln_localcloud.children import Launcher
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.base_image import ensure_base
from amikiln_localcloud.machines.contract import SnapshotFiles
from amikiln_localcloud.machines.disk_machine import DiskHypervisor
from amikiln_localcloud.machines.kinds import Kind, choose_kind, make_hypervisor
from vm.guests import GuestRegistry
from vm.local_cloud import IMAGE_DIRECTORY, LocalCloud, read_until

KINDS = ("container", "emulated")


@pytest.fixture(scope="session")
def launcher() -> Launcher:
    return Launcher()


@pytest.fixture(scope="session")
def base() -> SnapshotFiles:
    """The base image, out of the user's own cache: it takes a minute to build."""
    return ensure_base(Home.default().cache, PlainReporter())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A cloud of its own for each module of tests."""
    return Home(state=tmp_path_factory.mktemp("cloud") / "state", cache=Home.default().cache)


@pytest.fixture(scope="module")
def guest_registry() -> Iterator[GuestRegistry]:
    """What answers where guests look for the container registry."""
    with GuestRegistry() as registry:
        yield registry


@pytest.fixture(scope="module", params=KINDS)
def hypervisor(
    request: pytest.FixtureRequest,
    home: Home,
    launcher: Launcher,
    base: SnapshotFiles,
    guest_registry: GuestRegistry,
) -> Iterator[DiskHypervisor]:
    """A hypervisor of each kind that this host can have, whose machines end with the module."""
    choice = choose_kind(Kind(request.param), home.cache, base, PlainReporter())
    hypervisor = make_hypervisor(home, launcher, choice, guest_registry.place)
    yield hypervisor
    hypervisor.close()


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """A local cloud with its daemon, which all tests share that run commands in one."""
    cloud = LocalCloud(tmp_path_factory.mktemp("state"))
    yield cloud
    cloud.amikiln("cloud", "down")


@pytest.fixture(scope="session")
def proven_run(local_cloud: LocalCloud) -> dict[str, Any]:
    """What ``amikiln run --json`` says of a whole run, whose image other tests use."""
    done = local_cloud.amikiln("run", IMAGE_DIRECTORY, "--local", "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="session")
def left_alone(local_cloud: LocalCloud) -> str:
    """A machine whose run was killed right after its launch, and whom no other run will sweep."""
    of_its_own = ("--set", "name=left-alone", "--set", "deadlines.machine_minutes=5")
    killed = local_cloud.start_run(*of_its_own)
    launched = read_until(killed, "launched from")[-1]
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    found = re.search(r"i-[0-9a-f]{17}", launched)
    assert found
    return found[0]
