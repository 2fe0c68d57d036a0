"""Addresses on loopback, with the kernel's own word for what is taken."""

from __future__ import annotations

import errno
import socket

import pytest

from amikiln_localcloud.machines import addresses
from amikiln_localcloud.machines.addresses import claim_address
from amikiln_localcloud.machines.contract import MachineFailure

NETWORK = "127.0.77"
"""Away from the machines of a cloud that is up meanwhile."""


@pytest.fixture(autouse=True)
def _high_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run without root, too."""
    monkeypatch.setattr(addresses, "SSH_PORT", 22022)


def test_nobody_else_gets_a_claimed_address() -> None:
    first, second = claim_address(NETWORK), claim_address(NETWORK)
    assert first.ip != second.ip
    first.release()
    third = claim_address(NETWORK)
    assert third.ip == first.ip
    second.release()
    third.release()


def test_an_address_whose_port_somebody_listens_on_is_left_out() -> None:
    free = claim_address(NETWORK)
    free.release()
    with socket.create_server((free.ip, 22022)):
        other = claim_address(NETWORK)
        other.release()
    assert other.ip != free.ip


def test_a_claimed_address_can_be_listened_on() -> None:
    claimed = claim_address(NETWORK)
    socket.create_server((claimed.ip, 22022)).close()
    claimed.release()


def test_all_taken_names_the_likely_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "LAST", addresses.FIRST)
    claimed = claim_address(NETWORK)
    with pytest.raises(MachineFailure, match="give it a ListenAddress in sshd_config"):
        claim_address(NETWORK)
    claimed.release()


def test_a_port_that_is_not_for_this_user_names_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(ip: str, for_root: bool) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(addresses, "_check_tcp_port", refuse)
    with pytest.raises(MachineFailure, match=r"net\.ipv4\.ip_unprivileged_port_start=22022"):
        claim_address(NETWORK)


def test_what_root_will_listen_on_need_not_be_free_to_this_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(addresses, "SSH_PORT", 22022)
    free = claim_address(NETWORK, for_root=True)
    free.release()
    with socket.create_server((free.ip, 22022)):
        other = claim_address(NETWORK, for_root=True)
        other.release()
    assert other.ip != free.ip
