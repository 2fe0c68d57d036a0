"""Two container machines on one host: what root in one of them cannot do, and what stays as it was.

What root could still do is in docs/local-cloud.md: the kernel is the host's.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from amikiln.runtime import process
from amikiln.runtime.progress import PlainReporter
from amikiln.runtime.wait import Waiter
from amikiln_localcloud.machines.contract import MachinePlan, SnapshotFiles
from amikiln_localcloud.machines.disk_machine import DiskHypervisor, DiskMachine
from vm.guests import KeyPair, Shell, metadata

pytestmark = pytest.mark.vm

INSTANCE_IDS = ("i-0eeeeeeeeeeeeeee1", "i-0eeeeeeeeeeeeeee2")
PROPAGATED = Path("/run/systemd/nspawn/propagate")
LINK_LOCAL = "169.254.77.77"
COUNTERS = {"net.netfilter.nf_conntrack_count", "net.ipv4.tcp_mem", "net.ipv4.udp_mem"}
"""What the kernel counts, or computes, by itself."""

# Each does nothing if it succeeds: it sets what is set already, or reads.
ATTEMPTS = {
    "set the clock": 'date -s "@$(date +%s)"',
    "load a module": "insmod $(find /lib/modules -name '*.ko*' | head -n 1)",
    "escape the OOM killer": "echo -1000 > /value; cat /value > /proc/self/oom_score_adj",
    "set a sysctl": "cat /proc/sys/vm/swappiness > /value; cat /value > /proc/sys/vm/swappiness",
    "set the core pattern": "cat /proc/sys/kernel/core_pattern > /value; "
    "cat /value > /proc/sys/kernel/core_pattern",
}
ATTEMPTS_ON_THE_KERNEL = {
    "press a system request key": "echo h > /proc/sysrq-trigger",  # prints a help text
}
"""What is refused to the machine's root, but not to a privileged container of its Docker."""

REFUSALS = ("Operation not permitted", "Permission denied", "Read-only file system")

PROGRAMS = "sh date insmod find head dd mknod cat rm sleep"


@dataclass
class Host:
    """The host's network settings."""

    filters: str
    links: str
    sysctls: dict[str, str] = field(repr=False)

    @classmethod
    def look(cls) -> Host:
        def said(*argv: str) -> str:
            return process.run(argv).stdout.decode()

        links = said("ip", "-oneline", "link") + said("ip", "-brief", "address")
        for family in ("-4", "-6"):
            links += said("ip", family, "route", "show", "table", "all")
            links += said("ip", family, "rule")
        settings = process.run(["sysctl", "-a", "--pattern", r"^net\."]).stdout.decode()
        pairs = (line.partition(" = ") for line in settings.splitlines())
        sysctls = {name: value for name, _, value in pairs if name not in COUNTERS}
        filters = said("nft", "list", "ruleset")
        if Path("/usr/sbin/iptables-save").exists():
            filters += re.sub(r"^#.*$|\[\d+:\d+\]", "", said("iptables-save"), flags=re.M)
        return cls(filters, re.sub(r" expires \S+", "", links), sysctls)

    def find_changes(self, before: Host) -> list[str]:
        """Return what is not as it was; a setting that came with a kernel module is not meant."""
        changed = [
            f"{name}: {value} became {self.sysctls.get(name)}"
            for name, value in before.sysctls.items()
            if self.sysctls.get(name) != value
        ]
        for now, then in ((self.filters, before.filters), (self.links, before.links)):
            changed += [f"{line} (new)" for line in now.splitlines() if line not in then]
            changed += [f"{line} (gone)" for line in then.splitlines() if line not in now]
        return changed


@dataclass(frozen=True)
class Pair:
    """Two machines that run, and the host before either."""

    before: Host
    hypervisor: DiskHypervisor
    shells: tuple[Shell, Shell]


@pytest.fixture(scope="module")
def pair(
    make_machines: Callable[[str], DiskHypervisor],
    base: SnapshotFiles,
    tmp_path_factory: pytest.TempPathFactory,
) -> Pair:
    hypervisor = make_machines("container")
    before = Host.look()
    key = KeyPair.make(tmp_path_factory.mktemp("keys"), "pair")
    machines: list[DiskMachine] = []
    for each in INSTANCE_IDS:
        plan = MachinePlan(each, base, 1, 1024, 11, lambda each=each: metadata(each, key))
        machines.append(hypervisor.create(plan))
        machines[-1].start(lambda ending, why: None)
    first, second = (Shell(machine, key) for machine in machines)
    for shell in (first, second):
        shell.wait()
        assert shell.wait_until_started() == "running"
    return Pair(before, hypervisor, (first, second))


@pytest.fixture(scope="module")
def image(pair: Pair) -> str:
    """An image of the first machine's Docker, made from the machine's own programs."""
    make = f"""set -eu
        programs=$(for name in {PROGRAMS}; do command -v $name; done)
        libraries=$(ldd $programs | grep -v ':$' | grep -o '/[^ )]*' | sort -u)
        libraries="$libraries $(find /usr/lib -name 'liblzma.so.5')"  # insmod loads it itself
        modules=$(find /lib/modules -name '*.ko*' | head -n 1)
        tar -C / -c --dereference $(echo $programs $libraries $modules | sed 's| /| |g; s|^/||') |
            docker import - own >/dev/null"""
    pair.shells[0].run(make)
    return "own"


def refuse(said: str) -> bool:
    return any(refusal in said for refusal in REFUSALS)


def attempt_to_read_disks() -> str:
    """Return a command that says which of the host's block devices it could read."""
    numbers = {tuple(name.split(":")) for name in os.listdir("/sys/dev/block")}
    tries = "; ".join(
        f"rm -f /disk; mknod /disk b {major} {minor} && "
        f"dd if=/disk of=/dev/null bs=512 count=1 2>/dev/null && echo read {major}:{minor}"
        for major, minor in sorted(numbers)
    )
    return f"{tries}; rm -f /disk; echo tried {len(numbers)}"


def test_the_host_is_as_it_was_while_machines_run(pair: Pair) -> None:
    assert Host.look().find_changes(pair.before) == []


@pytest.mark.parametrize("what", [*ATTEMPTS, *ATTEMPTS_ON_THE_KERNEL])
def test_refused_to_the_machines_root(pair: Pair, what: str) -> None:
    command = {**ATTEMPTS, **ATTEMPTS_ON_THE_KERNEL}[what]
    if "sysrq" in command and not Path("/proc/sysrq-trigger").exists():
        pytest.skip("this host's kernel has no such keys")
    said = pair.shells[0].run(f"({command}) 2>&1 && echo done || true")
    assert refuse(said), said


def test_no_disk_of_the_hosts_can_be_opened(pair: Pair) -> None:
    said = pair.shells[0].run(attempt_to_read_disks())
    assert re.fullmatch(r"tried \d+", said)
    assert said != "tried 0"


def test_no_disk_of_the_hosts_is_seen(pair: Pair) -> None:
    """Or a script that formats what looks unused would take it for the machine's."""
    shell = pair.shells[0]
    disks = os.listdir("/sys/class/block")
    for user in ("root", "nobody"):
        listed = "cat /proc/partitions /proc/diskstats /proc/swaps; lsblk --all; blkid || true"
        assert shell.run(f"runuser -u {user} -- sh -c {shlex.quote(listed)}") == ""
    named = " -o ".join(f"-name {shlex.quote(name)}" for name in disks)
    assert shell.run(f"find /dev /sys {named}") == ""
    own = shell.run("findmnt --noheadings --output=SOURCE /")
    shown = set(shell.run("findmnt --noheadings --list --nofsroot --output=SOURCE").split())
    assert shown & {f"/dev/{name}" for name in disks} == {own}
    assert not shell.succeeds(f"test -e {own}")  # a script could format it


@pytest.mark.parametrize("what", ATTEMPTS)
def test_refused_to_a_privileged_container_of_its_docker(pair: Pair, image: str, what: str) -> None:
    command = shlex.quote(f"({ATTEMPTS[what]}) 2>&1 && echo done")
    said = pair.shells[0].run(f"docker run --rm --privileged {image} sh -c {command} || true")
    assert refuse(said), said


def test_a_privileged_container_opens_no_disk(pair: Pair, image: str) -> None:
    command = shlex.quote(attempt_to_read_disks())
    said = pair.shells[0].run(f"docker run --rm --privileged {image} sh -c {command}")
    assert re.fullmatch(r"tried \d+", said)


def test_docker_that_stops_ends_no_container_of_another_machine(pair: Pair, image: str) -> None:
    first, second = pair.shells
    second.run(
        "tar -C / -c --dereference bin/sh bin/sleep "
        "$(ldd /bin/sh /bin/sleep | grep -v ':$' | grep -o '/[^ )]*' | sort -u | sed 's|^/||') |"
        "docker import - own >/dev/null; docker run --detach --name=stays own sleep 600"
    )
    first.run(f"docker run --detach --stop-signal=KILL --name=goes {image} sleep 600")
    first.run("systemctl stop docker.service docker.socket containerd.service")
    running = "docker inspect --format '{{.State.Running}}' stays"
    assert second.run(running) == "true"
    first.run("systemctl start docker.service")
    assert second.run(running) == "true"


@contextmanager
def listen_on(address: str) -> Iterator[tuple[int, list[str]]]:
    """Listen on the host; yields the port, and who has connected."""
    heard: list[str] = []
    with socket.create_server((address, 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, peer = server.accept()
                except OSError:
                    return
                heard.append(str(peer))
                connection.sendall(b"host\n")
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield server.getsockname()[1], heard
        finally:
            server.shutdown(socket.SHUT_RDWR)


def knock(address: str, port: int) -> str:
    """Return a command that prints what somebody says who listens there."""
    return f"timeout 2 bash -c 'head -c 4 < /dev/tcp/{address}/{port}' 2>/dev/null"


@pytest.fixture(scope="module")
def raw_routes(pair: Pair) -> Shell:
    """The first machine, whose root has made loopback and link-local addresses lead outside."""
    shell = pair.shells[0]
    shell.run(
        "sysctl -qw net.ipv4.conf.all.route_localnet=1 net.ipv4.conf.all.rp_filter=0 "
        "net.ipv4.conf.eth0.rp_filter=0; "
        "ip route flush table local 127.0.0.0/8; ip route flush table local 127.0.0.1; "
        "ip address del 127.0.0.1/8 dev lo; "
        f"ip route add 127.0.0.0/8 via 10.0.2.2 dev eth0 src 10.0.2.15; "
        f"ip route add {LINK_LOCAL} via 10.0.2.2 dev eth0 src 10.0.2.15"
    )
    assert "via 10.0.2.2" in shell.run("ip route get 127.0.0.1")
    assert "via 10.0.2.2" in shell.run(f"ip route get {LINK_LOCAL}")
    return shell


def test_the_hosts_loopback_is_out_of_reach(raw_routes: Shell) -> None:
    with listen_on("127.0.0.1") as (port, heard):
        with socket.create_connection(("127.0.0.1", port)) as ourselves:
            assert ourselves.recv(5) == b"host\n"
        tries = "; ".join(knock(address, port) for address in ("127.0.0.1", "10.0.2.2"))
        assert raw_routes.run(f"{tries}; echo .") == "."
        assert len(heard) == 1


def test_the_hosts_link_local_addresses_are_out_of_reach(raw_routes: Shell) -> None:
    process.run(["ip", "address", "add", f"{LINK_LOCAL}/32", "dev", "lo"])
    try:
        with listen_on(LINK_LOCAL) as (port, heard):
            assert raw_routes.run(f"{knock(LINK_LOCAL, port)}; echo .") == "."
            assert heard == []
    finally:
        process.run(["ip", "address", "del", f"{LINK_LOCAL}/32", "dev", "lo"])


def test_another_machine_is_out_of_reach(pair: Pair, raw_routes: Shell) -> None:
    other = pair.shells[1].machine.address
    with socket.create_connection((other, 22), timeout=10) as ourselves:
        assert ourselves.recv(4) == b"SSH-"
    assert raw_routes.run(f"{knock(other, 22)}; echo .") == "."


def test_the_machine_still_reaches_the_world(pair: Pair, raw_routes: Shell) -> None:
    """Or else the tests before would pass without any network."""
    card = process.run(["ip", "-4", "-brief", "address", "show", "scope", "global"])
    host = card.stdout.decode().split()[2].partition("/")[0]
    with listen_on(host) as (port, heard):
        assert raw_routes.run(knock(host, port)) == "host"
        assert len(heard) == 1


def test_the_host_is_as_it_was_after_them(pair: Pair) -> None:
    pair.hypervisor.close()
    assert not [each for each in INSTANCE_IDS if (PROPAGATED / each).exists()]
    Waiter(PlainReporter()).until(
        lambda: Host.look().find_changes(pair.before) == [] or None,
        what="the host is as it was",
        deadline_seconds=5,
    )
