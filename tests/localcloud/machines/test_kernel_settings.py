"""Which settings of the kernel's a machine may write: the program is run here, step by step."""

from __future__ import annotations

import struct

import pytest

from amikiln_localcloud.machines.container import kernel_settings as settings


def run(name: str, *, write: bool) -> int:
    """Do what the kernel does with the program: the few instructions that it has."""
    program = settings.build_program()
    step = struct.Struct("=BBhi")
    stack = bytearray(512)
    registers = {settings.R1: "the context"}
    numbers: dict[int, int] = {}
    place = 0
    while True:
        code, both, jump, value = step.unpack_from(program, place * step.size)
        to, source = both & 15, both >> 4
        place += 1
        match code:
            case settings.EXIT:
                return numbers[settings.R0]
            case settings.SET:
                numbers[to] = value
            case settings.COPY | settings.ADD:
                registers[to] = registers.get(source, "the stack")
            case settings.LOAD_4:
                assert registers[source] == "the context"
                numbers[to] = int(write)
            case settings.STORE_8:
                stack[512 + jump : 512 + jump + 8] = struct.pack("=q", value)
            case settings.LOAD_1:
                assert jump < 0, "outside of the stack"
                numbers[to] = stack[512 + jump]
            case settings.CALL:
                assert value == settings.GET_NAME
                size = numbers[settings.R3]
                stack[512 - size :] = name.encode()[: size - 1].ljust(size, b"\0")
            case settings.JUMP_UNLESS:
                place += jump if numbers[to] != value else 0
            case _:
                raise AssertionError(f"an instruction {code:#x}")


HOSTS = [
    "kernel/core_pattern",
    "kernel/sysrq",
    "kernel/threads-max",
    "kernel/hostnam",
    "kernel/",
    "vm/swappiness",
    "vm/drop_caches",
    "fs/file-max",
    "fs/mqueu",
    "user/max_user_namespaces",
    "dev/cdrom/autoclose",
    "nets/x",
    "net",
    "",
]
OWN = [
    "net/ipv4/ip_forward",
    "net/netfilter/nf_conntrack_max_and_a_name_that_is_cut_off",
    "fs/mqueue/msg_max",
    "kernel/shmmax",
    "kernel/msgmnb",
    "kernel/sem",
    "kernel/hostname",
    "kernel/domainname",
]


@pytest.mark.parametrize("name", HOSTS)
def test_what_is_the_whole_hosts_is_read_but_not_written(name: str) -> None:
    assert run(name, write=False) == 1
    assert run(name, write=True) == 0


@pytest.mark.parametrize("name", OWN)
def test_what_a_namespace_has_of_its_own_is_written(name: str) -> None:
    assert run(name, write=True) == 1


def test_the_longest_beginning_fits_into_the_room_for_a_name() -> None:
    assert max(map(len, settings.OWN)) < settings.NAME_BYTES
    assert settings.NAME_BYTES % 8 == 0
