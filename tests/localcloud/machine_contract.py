"""What ``machines/contract.py`` promises, tried on machines of any kind, fake ones too.

Nothing here looks inside a guest or waits until one has booted: where machines are emulated, a
start takes a moment and a boot half a minute.
"""

from __future__ import annotations

import ipaddress
import queue
import threading
from collections.abc import Callable

import pytest

from amikiln_localcloud.machines.contract import (
    Ending,
    Health,
    MachineFailure,
    SnapshotFiles,
)
from localcloud.any_kind import (
    NO_DEADLINE,
    PATIENCE_SECONDS,
    SECOND_ID,
    AnyKind,
    link_snapshot,
)


class MachineContract:
    """Tests for any kind; who inherits them has the fixture ``kind``."""

    # -- create -----------------------------------------------------------------------------

    def test_create_gives_an_address_of_its_own_and_starts_nothing(self, kind: AnyKind) -> None:
        first, second = kind.create(), kind.create(SECOND_ID)
        assert first.address != second.address
        assert all(ipaddress.ip_address(one.address).is_loopback for one in (first, second))
        for machine in (first, second):
            assert machine.health is Health.INITIALIZING
            assert machine.console() == b""
            assert not kind.runs(machine)

    def test_create_without_a_snapshot_fails(self, kind: AnyKind) -> None:
        with pytest.raises(MachineFailure):
            kind.create(source=SnapshotFiles(kind.directory / "missing"))
        kind.create().start(kind.on_end)

    # -- start, stop, reboot ----------------------------------------------------------------

    def test_start_runs_and_stop_ends_it_silently(self, kind: AnyKind) -> None:
        machine = kind.start()
        assert kind.runs(machine)
        machine.stop(0)
        assert not kind.runs(machine)
        kind.assert_no_ending_is_told(machine)

    def test_a_second_start_is_refused(self, kind: AnyKind) -> None:
        machine = kind.start()
        with pytest.raises(MachineFailure):
            machine.start(kind.on_end)
        assert kind.runs(machine)

    def test_a_machine_that_was_stopped_starts_again_at_its_address(self, kind: AnyKind) -> None:
        machine = kind.start()
        address = machine.address
        machine.stop(0)
        machine.start(kind.on_end)
        assert kind.runs(machine)
        assert machine.address == address
        kind.assert_no_ending_is_told(machine)

    def test_stop_of_a_machine_that_does_not_run_does_nothing(self, kind: AnyKind) -> None:
        machine = kind.create()
        machine.stop(NO_DEADLINE)
        machine.start(kind.on_end)
        machine.stop(0)
        machine.stop(NO_DEADLINE)
        assert not kind.runs(machine)
        kind.assert_no_ending_is_told(machine)

    def test_a_start_that_fails_says_why_and_is_no_ending(self, kind: AnyKind) -> None:
        source = link_snapshot(kind.source, kind.directory / "doomed")
        machine = kind.create(source=source)
        source.disk.unlink()
        with pytest.raises(MachineFailure, match=r"\A.+\Z"):  # one line
            machine.start(kind.on_end)
        assert not kind.runs(machine)
        kind.assert_no_ending_is_told(machine)

    def test_reboot_keeps_on_end_and_does_not_call_it(self, kind: AnyKind) -> None:
        machine = kind.start()
        machine.reboot(0)
        assert kind.runs(machine)
        assert kind.endings.empty()
        kind.kill(machine)
        assert kind.await_ending()[0] is Ending.PROCESS_DIED
        kind.assert_no_ending_is_told(machine)

    # -- on_end -----------------------------------------------------------------------------

    def test_a_machine_that_dies_says_so_once_and_can_start_again(self, kind: AnyKind) -> None:
        machine = kind.start()
        kind.kill(machine)
        ending, why = kind.await_ending()
        assert ending is Ending.PROCESS_DIED
        assert why
        assert "\n" not in why
        assert not kind.runs(machine)
        machine.stop(NO_DEADLINE)
        machine.start(kind.on_end)
        assert kind.runs(machine)
        kind.assert_no_ending_is_told(machine)

    def test_on_end_comes_from_a_thread_of_the_machines_and_may_call_it(
        self, kind: AnyKind
    ) -> None:
        machine = kind.create()
        told: queue.SimpleQueue[tuple[threading.Thread, Health, bytes]] = queue.SimpleQueue()

        def on_end(ending: Ending, why: str) -> None:
            told.put((threading.current_thread(), machine.health, machine.console()))

        machine.start(on_end)
        kind.kill(machine)
        assert told.get(timeout=PATIENCE_SECONDS)[0] is not threading.current_thread()
        kind.assert_no_ending_is_told(machine)
        assert told.empty()

    # -- destroy ----------------------------------------------------------------------------

    def test_destroy_twice_ends_it_silently_and_for_good(self, kind: AnyKind) -> None:
        machine = kind.start()
        machine.destroy()
        machine.destroy()
        assert not kind.runs(machine)
        with pytest.raises(MachineFailure):
            machine.start(kind.on_end)
        with pytest.raises(MachineFailure):
            machine.reboot(0)
        machine.stop(NO_DEADLINE)
        assert not kind.runs(machine)
        kind.assert_no_ending_is_told(machine)

    @pytest.mark.parametrize("method", ["start", "stop", "reboot", "save"])
    def test_destroy_during_another_method_ends_both(self, kind: AnyKind, method: str) -> None:
        machine = kind.create() if method == "start" else kind.start()
        calls: dict[str, Callable[[], None]] = {
            "start": lambda: machine.start(kind.on_end),
            "stop": lambda: machine.stop(NO_DEADLINE),
            "reboot": lambda: machine.reboot(NO_DEADLINE),
            "save": lambda: machine.save(SnapshotFiles(kind.snapshots / "snap-cut-short")),
        }
        with kind.during(machine, method, calls[method]):
            machine.destroy()
        assert not kind.runs(machine)
        assert kind.saved_names() in ([], ["snap-cut-short"])
        with pytest.raises(MachineFailure):
            machine.start(kind.on_end)
        kind.assert_no_ending_is_told(machine)

    # -- save -------------------------------------------------------------------------------

    def test_a_machine_that_does_not_run_is_saved_completely(self, kind: AnyKind) -> None:
        machine = kind.create()
        saved = SnapshotFiles(kind.snapshots / "snap-stopped")
        machine.save(saved)
        assert kind.saved_names() == ["snap-stopped"]
        assert saved.disk.stat().st_size
        assert saved.kernel.read_bytes() == kind.source.kernel.read_bytes()
        assert saved.initrd.exists() == kind.source.initrd.exists()
        # The snapshot needs neither the machine nor what that was made from.
        machine.destroy()
        kind.create(SECOND_ID, saved).start(kind.on_end)

    def test_a_machine_that_runs_is_saved_and_goes_on(self, kind: AnyKind) -> None:
        machine = kind.start()
        saved = SnapshotFiles(kind.snapshots / "snap-running")
        machine.save(saved)
        assert kind.saved_names() == ["snap-running"]
        assert saved.disk.stat().st_size
        assert saved.kernel.read_bytes() == kind.source.kernel.read_bytes()
        assert kind.runs(machine)
        kind.assert_no_ending_is_told(machine)

    def test_a_machine_that_cannot_be_saved_leaves_no_part_of_a_snapshot(
        self, kind: AnyKind
    ) -> None:
        source = link_snapshot(kind.source, kind.directory / "doomed")
        machine = kind.create(source=source)
        source.disk.unlink()
        with pytest.raises(MachineFailure, match=r"\A.+\Z"):
            machine.save(SnapshotFiles(kind.snapshots / "snap-without-a-disk"))
        assert kind.saved_names() == []

    def test_a_destroyed_machine_is_not_saved(self, kind: AnyKind) -> None:
        machine = kind.create()
        machine.destroy()
        with pytest.raises(MachineFailure):
            machine.save(SnapshotFiles(kind.snapshots / "snap-destroyed"))
        assert kind.saved_names() == []

    def test_address_health_and_console_answer_during_another_method(self, kind: AnyKind) -> None:
        machine = kind.create()
        saved = SnapshotFiles(kind.snapshots / "snap-slow")
        with kind.during(machine, "save", lambda: machine.save(saved)) as saving:
            answers = machine.address, machine.health, machine.console()
            assert saving.is_alive(), "they waited for it"
        assert answers == (machine.address, Health.INITIALIZING, b"")

    # -- the hypervisor ---------------------------------------------------------------------

    def test_close_destroys_all(self, kind: AnyKind) -> None:
        machines = kind.start(), kind.create(SECOND_ID)
        kind.hypervisor.close()
        kind.hypervisor.close()
        for machine in machines:
            assert not kind.runs(machine)
            with pytest.raises(MachineFailure):
                machine.start(kind.on_end)
        kind.assert_no_ending_is_told(*machines)

    def test_a_sweep_finds_nothing_where_nothing_was_left(self, kind: AnyKind) -> None:
        kind.hypervisor.sweep()
        assert kind.saved_names() == []
        kind.start()
