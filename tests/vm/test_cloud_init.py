"""Debian's own cloud-init, with its Ec2 data source, sees what the small units see."""

from __future__ import annotations

from pathlib import Path

import pytest

from amikiln.runtime.progress import PlainReporter
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.base_image import Variant, ensure_base
from amikiln_localcloud.machines.contract import MachinePlan
from amikiln_localcloud.machines.disk_machine import DiskHypervisor
from vm.conftest import BOOTS_A_KERNEL
from vm.guests import KeyPair, Shell, metadata

pytestmark = pytest.mark.vm

INSTANCE_ID = "i-0aaaaaaaaaaaaaaac"


# Its Ec2 data source knows where it is by the firmware's tables, which a container has not.
@BOOTS_A_KERNEL
def test_cloud_init_sets_the_machine_up_from_the_same_metadata(
    hypervisor: DiskHypervisor, home: Home, tmp_path: Path
) -> None:
    key = KeyPair.make(tmp_path, "key")
    user_data = "#!/bin/sh\nid -un >> /root/user-data-ran\n"
    plan = MachinePlan(
        instance_id=INSTANCE_ID,
        source=ensure_base(home.cache, PlainReporter(), Variant.CLOUD_INIT),
        cores=2,
        memory_mib=2048,
        volume_gib=9,
        metadata=lambda: metadata(INSTANCE_ID, key, user_data),
    )
    machine = hypervisor.create(plan)
    shell = Shell(machine, key)
    machine.start(lambda ending: None)
    shell.wait()
    assert shell.wait_until_started() == "running"
    assert shell.run("cloud-id") == "aws"
    assert shell.run("cat /root/user-data-ran") == "root"
    assert shell.run("sudo -n id -un", user="ec2-user") == "root"
    assert shell.run("cat /var/lib/cloud/data/instance-id") == INSTANCE_ID
    assert shell.run("hostname") == "ip-10-1-2-3"
    assert shell.run("curl -sf http://registry.amikiln.internal/v2/") == "registry asked for /v2/"
    machine.destroy()
