"""What is said about machines of a kind: which limits hold depends on the host's control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from amikiln_localcloud.machines import notes
from amikiln_localcloud.machines.container.cgroups import Hierarchies

VERSION_1 = ("devices", "memory", "pids")


def describe(
    patch: pytest.MonkeyPatch, unified: Path, controllers: tuple[str, ...], version_2: str = ""
) -> tuple[str, ...]:
    (unified / "cgroup.subtree_control").write_text(version_2)
    found = Hierarchies(unified, {name: Path("/v1") / name for name in controllers})
    patch.setattr(notes.Hierarchies, "of_this_host", lambda: found)
    return notes.describe_limits("container")


@pytest.mark.parametrize("kind", ["kvm", "emulated"])
def test_virtual_machines_need_no_note(kind: str) -> None:
    assert notes.describe_limits(kind) == ()


def test_root_is_never_kept_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert describe(monkeypatch, tmp_path, VERSION_1) == (notes.TRUST,)
    assert describe(monkeypatch, tmp_path, ("devices",), "cpu memory pids\n") == (notes.TRUST,)


def test_limits_without_a_controller_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (_, unlimited) = describe(monkeypatch, tmp_path, ("devices",))
    assert unlimited == (
        "a machine's memory and number of processes is not limited: this host's control groups"
        " have no controller for it"
    )
