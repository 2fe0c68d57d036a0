"""Refuses a machine to change the kernel's settings (sysctls) that are the whole host's.

The machine's own root cannot, for systemd-nspawn mounts /proc/sys read-only; a privileged container
of its Docker has a /proc of its own. A BPF program on the machine's control group is asked before
each write: https://docs.kernel.org/bpf/prog_cgroup_sysctl.html. What belongs to a namespace may be
set, as ``docker run --sysctl`` does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

OWN = ("net/", "fs/mqueue/", "kernel/shm", "kernel/msg", "kernel/sem", "kernel/hostname",
       "kernel/domainname")  # fmt: skip
"""The beginnings of what each namespace has of its own: namespaces(7)."""

NUMBERS = {"x86_64": 321, "aarch64": 280}
"""bpf(2)'s, by the processor."""
# linux/bpf.h
PROG_LOAD, PROG_ATTACH = 5, 8
CGROUP_SYSCTL_PROGRAM, CGROUP_SYSCTL = 23, 18
ALLOW_MULTI = 2
GET_NAME = 101
LICENSE = b"GPL\0"
NAME_BYTES = 24
"""Of a setting's name; the longest beginning is shorter."""
ENOUGH = struct.Struct("=2I2Q2IQ2I16s2I")
"""union bpf_attr, as far as a program is loaded with it."""

# Registers of the BPF machine, and what an instruction does (linux/bpf_common.h).
R0, R1, R2, R3, R4, R6, R10 = 0, 1, 2, 3, 4, 6, 10
COPY, SET, ADD, CALL, EXIT = 0xBF, 0xB7, 0x07, 0x85, 0x95
LOAD_4, LOAD_1, STORE_8 = 0x61, 0x71, 0x7A
JUMP_IF, JUMP_UNLESS = 0x15, 0x55


def _write(code: int, to: int = 0, source: int = 0, jump: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, to | source << 4, jump, value)


def build_program(own: Sequence[str] = OWN) -> bytes:
    """Return the program: 1, if a setting is read or its name begins with one of these; else 0."""
    return b"".join(_list_instructions(own))


def _list_instructions(own: Sequence[str]) -> Iterator[bytes]:
    allow = [_write(SET, R0, value=1), _write(EXIT)]
    yield _write(COPY, R6, R1)
    yield _write(LOAD_4, R0, R6)  # whether it is written
    yield _write(JUMP_UNLESS, R0, jump=len(allow))
    yield from allow
    for place in range(-NAME_BYTES, 0, 8):
        yield _write(STORE_8, R10, jump=place)
    yield from (_write(COPY, R1, R6), _write(COPY, R2, R10), _write(ADD, R2, value=-NAME_BYTES))
    yield from (_write(SET, R3, value=NAME_BYTES), _write(SET, R4), _write(CALL, value=GET_NAME))
    for beginning in own:
        letters = beginning.encode()
        for index, letter in enumerate(letters):
            # Each letter is a load and a jump over what is left of this beginning.
            left = 2 * (len(letters) - index - 1) + len(allow)
            yield _write(LOAD_1, R0, R10, jump=index - NAME_BYTES)
            yield _write(JUMP_UNLESS, R0, jump=left, value=letter)
        yield from allow
    yield from (_write(SET, R0), _write(EXIT))


def protect(group: Path) -> None:
    """Refuse all processes of a control group, from now on, what is not their own.

    Args:
        group: The folder of a group of version 2.

    Raises:
        OSError: The kernel cannot do that.
    """
    folder = os.open(group, os.O_RDONLY | os.O_DIRECTORY)
    try:
        program = load_program()
        try:
            _bpf(PROG_ATTACH, struct.pack("=4I", folder, program, CGROUP_SYSCTL, ALLOW_MULTI))
        finally:
            os.close(program)
    finally:
        os.close(folder)


def load_program() -> int:
    """Give the kernel the program, and return its descriptor.

    Raises:
        OSError: The kernel does not take it.
    """
    code = ctypes.create_string_buffer(build_program())
    license = ctypes.create_string_buffer(LICENSE)
    attributes = ENOUGH.pack(
        *(CGROUP_SYSCTL_PROGRAM, len(code) // 8, ctypes.addressof(code)),
        *(ctypes.addressof(license), 0, 0, 0, 0, 0, b"amikiln", 0, CGROUP_SYSCTL),
    )
    return _bpf(PROG_LOAD, attributes)


def can_protect() -> bool:
    """Tell whether this kernel can; root's to ask."""
    with contextlib.suppress(OSError):
        os.close(load_program())
        return True
    return False


def _bpf(command: int, attributes: bytes) -> int:
    number = NUMBERS.get(platform.machine())
    if number is None:
        raise OSError(f"the number of bpf(2) on {platform.machine()} is not known")
    libc = ctypes.CDLL(None, use_errno=True)
    found: int = libc.syscall(number, command, attributes, len(attributes))
    if found < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found
