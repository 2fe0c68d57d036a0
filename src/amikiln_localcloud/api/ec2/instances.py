"""Instances that are machines: their states are those of a real machine.

moto's instances are "running" the moment they are made and "stopped" the moment one asks.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
"""

from __future__ import annotations

import base64
import copy
import logging
from collections.abc import Callable
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models import EC2Backend
from moto.ec2.models.instances import Instance, InstanceState, StateReason

from amikiln_localcloud.api.cloud import Cloud, Worker
from amikiln_localcloud.api.ec2 import states
from amikiln_localcloud.api.ec2.public_addresses import gets_public_ip
from amikiln_localcloud.api.errors import ec2_error
from amikiln_localcloud.machines.contract import (
    Ending,
    Health,
    InstanceMetadata,
    Machine,
    MachineFailure,
    MachinePlan,
    SnapshotFiles,
)

log = logging.getLogger("amikiln.instances")

CONSOLE_BYTES = 64 * 1024
"""GetConsoleOutput returns the last 64 KB (.../APIReference/API_GetConsoleOutput.html)."""


class LocalInstance(Instance):
    """An instance with a machine. Attributes change inside ``Cloud.change()`` only."""

    ec2_backend: EC2Backend

    def __init__(
        self,
        backend: EC2Backend,
        cloud: Cloud,
        image_id: str,
        user_data: Any,
        security_groups: Any,
        source: SnapshotFiles,
        **kwargs: Any,
    ) -> None:
        super().__init__(backend, image_id, user_data, security_groups, **kwargs)
        self.cloud = cloud
        self.machine: Machine | None = None
        self.image_in_progress = False
        self._source = source
        self._console = b""
        self._worker = Worker(f"instance {self.id}")
        self._impaired_since: Any = None
        self._set_state("pending")
        self._is_public = gets_public_ip(kwargs.get("nics") or [], self.nics[0].subnet)
        for nic in self.nics.values():
            nic.public_ip_auto_assign = False
            nic.public_ip = None
        self.cloud.snapshots.hold(source)

    # -- what the API reports ---------------------------------------------------------------

    @property
    def public_dns_name(self) -> str | None:
        """None: a name in amazonaws.com would resolve to another customer's machine."""
        return None

    @property
    def instance_status(self) -> dict[str, Any]:
        if self.state != "running" or self.machine is None:
            return {"Status": "not-applicable"}
        health = Health.OK if self.image_in_progress else self.machine.health
        detail: dict[str, Any] = {"Name": "reachability", "Status": "passed"}
        if health is Health.INITIALIZING:
            detail["Status"] = "initializing"
        if health is Health.IMPAIRED:
            self._impaired_since = self._impaired_since or utcnow()
            detail |= {"Status": "failed", "ImpairedSince": self._impaired_since}
        else:
            self._impaired_since = None
        return {"Status": health.value, "Details": [detail]}

    def console(self) -> bytes:
        """Return the end of the serial console's output, also after the machine is gone."""
        output = self.machine.console() if self.machine else self._console
        return output[-CONSOLE_BYTES:]

    def metadata(self) -> InstanceMetadata:
        """Return what the instance metadata service answers the guest now."""
        with self.cloud.lock:
            pair = self.ec2_backend.key_pairs.get(self.key_name or "")
            keys = {pair.key_name: pair.material_public.decode().strip()} if pair else {}
            return InstanceMetadata(
                instance_id=self.id,
                ami_id=self.image_id,
                instance_type=self.instance_type,
                region=self.region_name,
                availability_zone=self.availability_zone,
                private_ip=self.private_ip or "",
                public_ip=self.public_ip or "",
                token_required=self.metadata_options.http_tokens == "required",
                public_keys=keys,
                user_data=base64.b64decode(str(self.user_data)) if self.user_data else b"",
            )

    # -- requests, inside Cloud.change() ----------------------------------------------------

    def launch(self, cores: int, memory_mib: int, volume_gib: int, boots_kernel: bool) -> None:
        """Make the machine and boot it, in the background."""
        plan = MachinePlan(
            self.id, self._source, cores, memory_mib, volume_gib, self.metadata, boots_kernel
        )
        self._submit(lambda: self._create(plan), self._terminate_after_failure)

    def start(self) -> InstanceState:
        before = copy.copy(self._state)
        if self.state in ("pending", "running"):
            return before
        self._require("stopped", to="started")
        self._set_state("pending")
        self._submit(self._boot, self._mark_start_failed)
        return before

    def stop(self, force: bool = False) -> InstanceState:
        before = copy.copy(self._state)
        if self.state in ("stopping", "stopped"):
            return before
        self._require("running", to="stopped")
        self._set_state("stopping", states.BY_USER, by_user=True)
        deadline = 0.0 if force else self.cloud.timeouts.stop
        self._submit(lambda: self._halt(deadline), self.mark_stopped_by_failure)
        return before

    def reboot(self) -> None:
        self._require("running", to="rebooted")
        deadline = self.cloud.timeouts.stop

        def work() -> None:
            if self.machine and self.state == "running":
                self.machine.reboot(deadline)

        self._submit(work, self.mark_stopped_by_failure)

    def terminate(self, reason: StateReason = states.BY_USER) -> InstanceState:
        before = copy.copy(self._state)
        if self.state in ("shutting-down", "terminated"):
            return before
        self._set_state("shutting-down", reason, by_user=reason is states.BY_USER)
        # Not queued behind what the machine is doing now: destroying it cuts that short.
        self.cloud.run_in_background(f"end of {self.id}", self._destroy)
        return before

    def do_with_machine(self, work: Callable[[Machine], None]) -> None:
        """Run work on the machine after all earlier requests for it.

        ``work`` is called without the lock, and handles its own failures.
        """

        def run() -> None:
            machine = self.machine
            if machine is None:
                raise MachineFailure("the machine is gone")
            work(machine)

        self._worker.submit(run)

    # -- in the background, without the lock ------------------------------------------------

    def _submit(self, work: Callable[[], None], on_failure: Callable[[str], None]) -> None:
        def run() -> None:
            try:
                work()
            except MachineFailure as error:
                why = str(error)
            except Exception as error:
                # Whatever went wrong, the instance must not stay between two states.
                log.exception("%s: unexpected failure", self.id)
                why = f"internal error: {error}"
            else:
                return
            log.warning("%s: %s", self.id, why)
            with self.cloud.change(persistent=False):
                on_failure(why)

        self._worker.submit(run)

    def _create(self, plan: MachinePlan) -> None:
        if self.state != "pending":
            return
        self.cloud.snapshots.prepare(plan.source)
        machine = self.cloud.hypervisor.create(plan)
        with self.cloud.change(persistent=False):
            self.machine = machine
            self._take_address(machine.address)
        self._boot()

    def _boot(self) -> None:
        machine = self.machine
        if machine is None or self.state != "pending":
            return
        machine.start(self.on_end)
        with self.cloud.change(persistent=False):
            if self.state == "pending":
                self._set_state("running")
                if self._is_public:
                    self.nics[0].public_ip = machine.address

    def _halt(self, deadline_seconds: float) -> None:
        if self.machine and self.state == "stopping":
            self.machine.stop(deadline_seconds)
        with self.cloud.change(persistent=False):
            if self.state == "stopping":
                self._set_state("stopped", self.state_reason, by_user=True)

    def _destroy(self) -> None:
        machine = self.machine
        if machine is not None:
            self._console = machine.console()
            machine.destroy()
        self._worker.submit(self._finish)
        self._worker.finish()

    def _finish(self) -> None:
        # Once more: the machine may have been made or started while it was being destroyed.
        machine, self.machine = self.machine, None
        if machine is not None:
            machine.destroy()
        with self.cloud.change(persistent=False):
            reason, transition = self.state_reason, self._reason
            try:
                super().terminate()
            finally:
                self._set_state("terminated")
                self.state_reason, self._reason = reason, transition
                self.cloud.snapshots.release(self._source)

    def on_end(self, ending: Ending, why: str) -> None:
        """Record that the guest ended by itself; called by the machine."""
        with self.cloud.change(persistent=False):
            if self.state not in ("pending", "running"):
                return
            log.info("%s: %s: %s", self.id, ending.value, why)
            if ending is Ending.PROCESS_DIED:
                self._set_state("stopped", states.describe_server_error(f"{ending.value}: {why}"))
            elif self.instance_initiated_shutdown_behavior == "terminate":
                self.terminate(states.BY_GUEST)
            else:
                self._set_state("stopped", states.BY_GUEST)

    # -- states, inside Cloud.change() ------------------------------------------------------

    def _terminate_after_failure(self, why: str) -> None:
        self.terminate(states.describe_server_error(why))

    def _mark_start_failed(self, why: str) -> None:
        if self.state == "pending":
            self._set_state("stopped", states.describe_server_error(why))

    def mark_stopped_by_failure(self, why: str) -> None:
        """Record that a machine could not be started again, or not be stopped in order."""
        if self.state in ("running", "stopping"):
            self._set_state("stopped", states.describe_server_error(why))

    def _set_state(
        self, state: str, reason: StateReason | None = None, *, by_user: bool = False
    ) -> None:
        self._state = InstanceState(state, states.CODES[state])
        self.state_reason = reason or StateReason()
        self._reason = ""
        if reason is not None:
            self._reason = states.describe_transition(reason, by_user=by_user)
        if state in ("stopped", "shutting-down"):
            for nic in self.nics.values():
                nic.public_ip = None

    def _require(self, state: str, *, to: str) -> None:
        if self.state != state:
            raise ec2_error(
                "IncorrectInstanceState",
                f"The instance '{self.id}' is not in a state from which it can be {to}: "
                f"it is {self.state}.",
            )

    def _take_address(self, address: str) -> None:
        nic = self.nics[0]
        nic.private_ip_address = address
        nic.private_ip_addresses = [{"Primary": True, "PrivateIpAddress": address}]
