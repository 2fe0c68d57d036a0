"""Builds QEMU's command line for one machine (https://www.qemu.org/docs/master/system/invocation.html)."""

from __future__ import annotations

import base64
import json
import shlex
import sys
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amikiln_localcloud.machines import relay
from amikiln_localcloud.machines.contract import InstanceMetadata, SnapshotFiles
from amikiln_localcloud.machines.disk_copy import DISK_NODE
from amikiln_localcloud.machines.disk_machine import MachineFiles
from amikiln_localcloud.machines.guest_values import (
    IMDS_ADDRESS,
    METADATA_CARD_NETWORK,
    REGISTRY_ADDRESS,
    RegistryAddress,
    guest_values,
)

REACHABILITY_PORT = 9009
"""On the machine's address; forwarded to a port on which nothing listens: see health.py."""
DISCARD_PORT = 9

MACHINE = "q35,sata=off,i8042=off,smbus=off,hpet=off,vmport=off"
"""Without devices that the guest would load a driver for and never use."""

# Every security module slows the start of programs, and AppArmor has no profiles here.
KERNEL_ARGUMENTS = (
    "console=ttyS0 root=/dev/nvme0n1 rootfstype=ext4 rw net.ifnames=0 quiet "
    "mitigations=off lsm=landlock,yama audit=0 systemd.firstboot=off"
)


@dataclass(frozen=True)
class QemuFiles(MachineFiles):
    """The files of the directory of a machine that QEMU runs."""

    @property
    def qemu_log(self) -> Path:
        return self.directory / "qemu.log"

    @property
    def pid(self) -> Path:
        return self.directory / "qemu.pid"

    @property
    def imds_socket(self) -> Path:
        return self.directory / "imds"


def write_credentials(files: MachineFiles, metadata: InstanceMetadata) -> None:
    """Write what the guest's units need, which QEMU passes on as SMBIOS strings.

    They are not in QEMU's argument list, where every user of the host could read the user data.
    """
    files.credentials.mkdir(mode=0o700, exist_ok=True)
    for old in files.credentials.iterdir():
        old.unlink()
    for name, value in guest_values(metadata).items():
        text = base64.b64encode(value).decode()
        (files.credentials / name).write_text(f"io.systemd.credential.binary:{name}={text}")


def build_command(
    *,
    files: QemuFiles,
    source: SnapshotFiles,
    accelerator: Sequence[str],
    cores: int,
    memory_mib: int,
    address: str,
    registry: RegistryAddress | None,
    metadata: InstanceMetadata,
    monitor_fd: int,
) -> list[str]:
    """Return the arguments that start the machine, including QEMU's name.

    Args:
        files: The machine's files, among them its disk.
        source: The snapshot with the kernel and the initrd.
        accelerator: Arguments that choose KVM or TCG, and the processor.
        cores: The number of processors.
        memory_mib: The memory in MiB.
        address: The host's address whose port 22 is forwarded to the guest's.
        registry: Where the guest's connections to the registry lead; nowhere if None.
        metadata: The instance's metadata.
        monitor_fd: An inherited socket for the QEMU Machine Protocol.
    """
    argv = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
    argv += ["-machine", MACHINE, *accelerator, "-smp", str(cores), "-m", f"{memory_mib}M"]
    argv += ["-name", metadata.instance_id, "-pidfile", str(files.pid)]
    argv += ["-chardev", _options("socket", id="qmp", fd=monitor_fd)]
    argv += ["-mon", "chardev=qmp,mode=control"]
    argv += ["-chardev", _options("file", id="console", path=files.console)]
    argv += ["-serial", "chardev:console"]
    argv += ["-kernel", str(source.kernel), "-append", KERNEL_ARGUMENTS]
    if source.initrd.exists():
        argv += ["-initrd", str(source.initrd)]
    argv += _disk(files, metadata)
    argv += _cards(files, address, registry)
    # A guest that panicked is paused, and reported as impaired.
    argv += ["-device", "pvpanic-pci", "-action", "panic=pause"]
    return argv + _smbios(files, metadata)


def _disk(files: MachineFiles, metadata: InstanceMetadata) -> list[str]:
    # The overlay is of no use after a crash of the host, so writes need not reach the host's disk.
    cache = {"direct": False, "no-flush": True}
    node = {
        "driver": "qcow2",
        "node-name": DISK_NODE,
        "cache": cache,
        "discard": "unmap",
        "file": {
            "driver": "file",
            "filename": str(files.disk),
            "cache": cache,
            "discard": "unmap",
        },
    }
    # EC2's disks are NVMe, whose driver is built into Debian's cloud kernel: it needs no initrd.
    serial = f"vol{metadata.instance_id.removeprefix('i-')}"
    return ["-blockdev", json.dumps(node), "-device", f"nvme,drive={DISK_NODE},serial={serial}"]


def _cards(files: QemuFiles, address: str, registry: RegistryAddress | None) -> list[str]:
    forward = [
        ("hostfwd", f"tcp:{address}:22-:22"),
        ("hostfwd", f"tcp:{address}:{REACHABILITY_PORT}-:{DISCARD_PORT}"),
    ]
    # The second card has no other connections (restrict=on), so that a guest that tries https on
    # these addresses first is refused at once.
    answers = [
        ("net", METADATA_CARD_NETWORK),
        ("host", "169.254.0.2"),
        ("restrict", "on"),
        _guest_forward(IMDS_ADDRESS, "unix", str(files.directory), files.imds_socket.name),
    ]
    if registry:
        answers.append(_guest_forward(REGISTRY_ADDRESS, "tcp", registry.host, str(registry.port)))
    argv: list[str] = []
    for name, options in (("internet", forward), ("metadata", answers)):
        pairs = [("id", name), ("ipv6", "off"), *options]
        argv += ["-netdev", ",".join(["user", *(f"{k}={_escaped(v)}" for k, v in pairs)])]
        argv += ["-device", f"virtio-net-pci,netdev={name},romfile="]
    return argv


def _guest_forward(address: str, *target: str) -> tuple[str, str]:
    command = shlex.join([sys.executable, "-S", "-E", relay.__file__, *target])
    return "guestfwd", f"tcp:{address}:80-cmd:{command}"


def _smbios(files: MachineFiles, metadata: InstanceMetadata) -> list[str]:
    # cloud-init recognizes EC2 by these, and by a UUID that starts with ec2.
    # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/identify_ec2_instances.html
    machine = uuid.UUID("ec2" + uuid.uuid5(uuid.NAMESPACE_OID, metadata.instance_id).hex[3:])
    tables = [
        {"type": 0, "vendor": "Amazon EC2"},
        {
            "type": 1,
            "manufacturer": "Amazon EC2",
            "product": metadata.instance_type,
            "uuid": machine,
            "serial": machine,
        },
        {"type": 2, "manufacturer": "Amazon EC2", "asset": metadata.instance_id},
        *({"type": 11, "path": path} for path in sorted(files.credentials.iterdir())),
    ]
    return [word for table in tables for word in ("-smbios", _pairs(table))]


def _options(kind: str, **options: object) -> str:
    return f"{kind},{_pairs(options)}"


def _pairs(options: Mapping[str, object]) -> str:
    return ",".join(f"{name}={_escaped(str(value))}" for name, value in options.items())


def _escaped(value: str) -> str:
    return value.replace(",", ",,")
