"""Fixtures for tests that boot real machines."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from amikiln.errors import PreflightError
from amikiln.runtime.progress import PlainReporter
from amikiln_localcloud.children import Launcher
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.base_image import ensure_base
from amikiln_localcloud.machines.contract import SnapshotFiles
from amikiln_localcloud.machines.disk_machine import DiskHypervisor
from amikiln_localcloud.machines.kinds import (
    Choice,
    Kind,
    choose_kind,
    make_hypervisor,
    parse_kind,
)
from vm import impatient_run
from vm.guests import GuestRegistry
from vm.local_cloud import IMAGE_DIRECTORY, LocalCloud, read_until

MACHINES = os.environ.get("AMIKILN_TEST_MACHINES", "")
"""The one kind to test with (scripts/test --machines); by default all that work here."""

IN_QEMU = (Kind.KVM, Kind.EMULATED)
BOOTS_A_KERNEL = pytest.mark.parametrize("hypervisor", ["qemu"], indirect=True)
"""What would crash the host's kernel from a container, or is about a machine's own firmware."""

IS_A_CONTAINER = pytest.mark.parametrize("hypervisor", ["container"], indirect=True)


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


@pytest.fixture(scope="session")
def choices(base: SnapshotFiles) -> dict[str, Choice]:
    """What works here: "container", and "qemu" with KVM or else by emulation.

    Raises:
        PreflightError: The one kind that was asked for does not work here.
    """
    cache, report = Home.default().cache, PlainReporter()
    wanted = parse_kind(MACHINES)
    if wanted is not None:
        choice = choose_kind(wanted, cache, base, report)
        return {"qemu" if wanted in IN_QEMU else "container": choice}
    found = {}
    for name, kind in (("container", Kind.CONTAINER), ("qemu", Kind.EMULATED), ("qemu", Kind.KVM)):
        with contextlib.suppress(PreflightError):
            found[name] = choose_kind(kind, cache, base, report)
    return found


@pytest.fixture(scope="module")
def make_machines(
    choices: dict[str, Choice], launcher: Launcher, home: Home, guest_registry: GuestRegistry
) -> Iterator[Callable[[str], DiskHypervisor]]:
    """Makes a hypervisor of a kind, whose machines end with the module; skips if it cannot."""
    made: list[DiskHypervisor] = []

    def make(name: str) -> DiskHypervisor:
        if name not in choices:
            pytest.skip(f"no machines in {name} here, or another kind was asked for")
        hypervisor = make_hypervisor(home, launcher, choices[name], guest_registry.place)
        made.append(hypervisor)
        return hypervisor

    yield make
    for hypervisor in made:
        hypervisor.close()


@pytest.fixture(scope="module", params=("container", "qemu"))
def hypervisor(
    request: pytest.FixtureRequest, make_machines: Callable[[str], DiskHypervisor]
) -> DiskHypervisor:
    """A hypervisor of each kind that this host can have."""
    return make_machines(request.param)


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


SERVED = (
    "name=served",
    "buildkit.driver=systemd",
    "publish.parameter=/buildkite/served/us-east-1",
)


@pytest.fixture(scope="session")
def served_run(local_cloud: LocalCloud) -> dict[str, Any]:
    """A whole run with the builder as a service; verify finds its builds warm."""
    changes = [word for change in SERVED for word in ("--set", change)]
    done = local_cloud.amikiln("run", IMAGE_DIRECTORY, "--local", "--json", *changes)
    found: dict[str, Any] = json.loads(done.stdout)["cycle"]
    return found


@pytest.fixture(scope="session")
def left_alone(local_cloud: LocalCloud) -> str:
    """A machine whose run was killed right after its launch, and whom no other run will sweep."""
    changes = ["name=left-alone", "deadlines.machine_minutes=5"]
    of_its_own = [word for change in changes for word in ("--set", change)]
    killed = local_cloud.start_run(*of_its_own, program=[impatient_run.__file__])
    launched = read_until(killed, "launched from")[-1]
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    found = re.search(r"i-[0-9a-f]{17}", launched)
    assert found
    return found[0]
