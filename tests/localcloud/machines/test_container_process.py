"""One boot of a container machine, with a supervisor that is the test."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from amikiln_localcloud.machines.container.namespaces import Started
from amikiln_localcloud.machines.container.process import ContainerProcess
from amikiln_localcloud.machines.contract import MachineFailure


class Keeper:
    """Cannot confine the machine."""

    ended = False

    def restrict(self) -> None:
        raise MachineFailure("the machine cannot be confined: systemctl exited with 1")

    def end(self) -> None:
        self.ended = True


def test_a_machine_that_cannot_be_confined_does_not_boot(tmp_path: Path) -> None:
    ours, supervisor = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with (
        supervisor,
        subprocess.Popen(["sleep", "60"]) as process,
        subprocess.Popen(["true"]) as network,
    ):
        keeper = Keeper()
        run = ContainerProcess(
            Started(ours, [], process, network),
            tmp_path,
            keeper,  # type: ignore[arg-type]
            lambda: None,
            lambda ending, why: None,
        )
        supervisor.send(b'{"event": "mounted"}')
        assert process.wait() == -9
        supervisor.shutdown(socket.SHUT_WR)
        with pytest.raises(MachineFailure, match="cannot be confined: systemctl exited with 1"):
            run.wait_until_running()
        assert supervisor.recv(100) == b"", "it was told to boot"
    assert keeper.ended
