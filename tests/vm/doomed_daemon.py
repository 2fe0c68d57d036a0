"""Starts a machine, as the local cloud's daemon does, and waits to be killed.

Arguments: a kind, a state directory, a snapshot's directory, the folder for a key pair.
Writes the machine's address before it starts it, and another line when it runs.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from amikiln_localcloud.children import Launcher
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.contract import MachinePlan, SnapshotFiles
from amikiln_localcloud.machines.guest_values import RegistryAddress
from amikiln_localcloud.machines.kinds import Choice, Kind, make_hypervisor
from vm.guests import KeyPair, metadata

INSTANCE_ID = "i-0dddddddddddddddd"


def main(kind: Kind, state: Path, snapshot: Path, keys: Path) -> None:
    """Start one machine and wait."""
    home = Home(state=state, cache=Home.default().cache)
    choice = Choice(kind, "as asked for")
    hypervisor = make_hypervisor(home, Launcher(), choice, RegistryAddress("127.0.0.1", 9))
    key = KeyPair.make(keys, "doomed")
    source = SnapshotFiles(snapshot)
    plan = MachinePlan(INSTANCE_ID, source, 1, 1024, 11, lambda: metadata(INSTANCE_ID, key))
    machine = hypervisor.create(plan)
    print(machine.address, flush=True)
    machine.start(lambda ending, why: None)
    print("running", flush=True)
    signal.pause()


if __name__ == "__main__":
    main(Kind(sys.argv[1]), *map(Path, sys.argv[2:]))
