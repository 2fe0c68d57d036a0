"""What a machine is: its answer, and which steps care."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from amikiln.machine.virtualization import describe_machine, is_container, uses_kernel
from amikiln.recipe.render import read_shipped_files

LIB = read_shipped_files()["lib.sh"].decode()
TCG = "model name\t: QEMU TCG CPU version 2.5+\n"
REAL = "model name\t: Intel(R) Xeon(R) Processor\n"


@pytest.mark.parametrize(
    ("detected", "processor", "wanted"),
    [
        ("systemd-nspawn", REAL, "systemd-nspawn"),
        ("systemd-nspawn", TCG, "systemd-nspawn"),
        ("amazon", REAL, "amazon"),
        ("amazon", TCG, "qemu"),
        ("qemu", TCG, "qemu"),
        ("kvm", REAL, "kvm"),
        ("none", REAL, "none"),
    ],
)
def test_a_machine_says_what_it_is(
    detected: str, processor: str, wanted: str, tmp_path: Path
) -> None:
    container = "true" if is_container(detected) else "false"
    fake = tmp_path / "systemd-detect-virt"
    fake.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *--container*) {container}; exit ;; esac\n'
        f"echo {detected}; [ {detected} != none ]\n"
    )
    fake.chmod(0o755)
    (tmp_path / "cpu").write_text(processor)
    # Alone, without what the rest of the file needs from the recipe.
    _, _, rest = LIB.partition("detect_machine() {")
    body, _, _ = rest.partition("\n}\n")
    done = subprocess.run(
        ["sh", "-euc", f"detect_machine() {{{body}\n}}\ndetect_machine"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "CPU_FACTS": str(tmp_path / "cpu")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == wanted


@pytest.mark.parametrize(
    ("line", "uses"),
    [
        ('tar -x -C "/lib/modules/$(uname -r)"', True),
        ("uname -sr", True),
        ("uname -a >/etc/about", True),
        ("modprobe br_netfilter", True),
        ("insmod ./x.ko", True),
        ("depmod -a", True),
        ("cp vmlinuz /boot/", True),
        ("ls /usr/lib/modules", True),
        ("uname -m", False),
        ("# modprobe would be wrong here", False),
        ("cat /proc/sys/kernel/random/boot_id", False),
        ("systemctl reboot", False),
        ("cp x /srv/boot/y", False),
        ("cp x /opt/lib/modules-of-mine", False),
    ],
)
def test_steps_that_look_at_the_kernel_are_known(line: str, uses: bool) -> None:
    assert uses_kernel(f"#!/bin/sh\n{line}\n".encode()) is uses


def test_a_container_is_described_as_one() -> None:
    assert describe_machine("docker") == "docker, a container: the kernel is its host's"
    assert describe_machine("qemu") == "qemu, emulated"
    assert describe_machine("amazon") == "amazon"
