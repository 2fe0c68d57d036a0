"""Which kind of machine is chosen, and why; the trials themselves are replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amikiln.errors import PreflightError, SpecError
from amikiln_localcloud.machines import accelerator, kinds
from amikiln_localcloud.machines.container import trial
from amikiln_localcloud.machines.contract import SnapshotFiles
from amikiln_localcloud.machines.kinds import Choice, Kind, choose_kind, parse_kind
from fakes import Recorder

ASSERTION = (
    "qemu-system-x86_64: target/i386/kvm/kvm.c:3849: kvm_buf_set_msrs: Assertion"
    " `ret == cpu->kvm_msr_buf->nmsrs' failed."
)


def choose(
    patch: pytest.MonkeyPatch, *, kvm: str | None, container: str | None, wanted: Kind | None = None
) -> Choice:
    patch.setattr(accelerator, "find_obstacle", lambda cache, base, report: kvm)
    patch.setattr(trial, "find_obstacle", lambda cache, base, report: container)
    return choose_kind(wanted, Path("/cache"), SnapshotFiles(Path("/base")), Recorder())


@pytest.mark.parametrize(
    ("kvm", "container", "chosen", "reason"),
    [
        (None, None, Kind.KVM, "it works here"),
        ("no KVM", None, Kind.CONTAINER, "not kvm: no KVM"),
        ("no KVM", "no root", Kind.EMULATED, "not kvm: no KVM; not container: no root"),
    ],
)
def test_the_fastest_that_works_is_chosen_and_the_reason_is_why_no_faster_one(
    monkeypatch: pytest.MonkeyPatch,
    kvm: str | None,
    container: str | None,
    chosen: Kind,
    reason: str,
) -> None:
    assert choose(monkeypatch, kvm=kvm, container=container) == Choice(chosen, reason)


@pytest.mark.parametrize("wanted", list(Kind))
def test_what_is_asked_for_and_works_is_chosen(
    monkeypatch: pytest.MonkeyPatch, wanted: Kind
) -> None:
    found = choose(monkeypatch, kvm=None, container=None, wanted=wanted)
    assert found == Choice(wanted, "as asked for")


def test_what_is_asked_for_and_does_not_work_is_an_error_with_reason_and_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(PreflightError, match=r"system containers.* here: no cgroup 2") as caught:
        choose(monkeypatch, kvm=None, container="no cgroup 2", wanted=Kind.CONTAINER)
    assert caught.value.exit_code == 3
    assert caught.value.hint is not None
    assert "without --machines" in caught.value.hint


def test_an_unknown_kind_names_the_three() -> None:
    with pytest.raises(SpecError, match="no kind of machine 'vmware'") as caught:
        parse_kind("vmware")
    assert caught.value.hint == "one of kvm, container, emulated"


def test_no_name_asks_for_none() -> None:
    assert parse_kind(None) is None
    assert parse_kind("") is None
    assert parse_kind("kvm") is Kind.KVM


def test_only_kvm_machines_get_kvm() -> None:
    assert list(Choice(Kind.KVM, "").accelerator) == list(accelerator.KVM)
    assert list(Choice(Kind.EMULATED, "").accelerator) == list(accelerator.EMULATION)


def test_containers_need_cgroup_2_when_the_cloud_starts_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kinds.Hierarchies, "of_this_host", lambda: None)
    home = kinds.Home(tmp_path, tmp_path)
    address = kinds.RegistryAddress("127.0.0.1", 1)
    with pytest.raises(PreflightError, match="no cgroup 2"):
        kinds.make_hypervisor(home, None, Choice(Kind.CONTAINER, ""), address)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (ASSERTION, "QEMU aborts as soon as it starts a machine with it"),
        ("qemu-system-x86_64: failed to initialize kvm", "failed to initialize kvm"),
        ("a guest did not run in 20 s", "a guest did not run in 20 s"),
    ],
)
def test_kvm_that_does_not_work_is_said_in_a_users_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, problem: str, said: str
) -> None:
    monkeypatch.setattr(accelerator, "KVM_DEVICE", Path("/dev/null"))
    monkeypatch.setattr(accelerator, "_host_key", lambda: "key")
    probes: list[str] = []

    def probe(argv: object, base: object) -> str:
        probes.append("tried")
        return problem

    monkeypatch.setattr(accelerator, "probe", probe)
    for _ in range(2):
        found = accelerator.find_obstacle(tmp_path, SnapshotFiles(tmp_path), Recorder())
        assert found == f"KVM is there but does not work: {said}"
    assert probes == ["tried"], "the answer is remembered"
    record = tmp_path / "accelerator" / "key.json"
    assert json.loads(record.read_text()) == {"problem": problem}


def test_no_kvm_device_is_no_access(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(accelerator, "KVM_DEVICE", tmp_path / "kvm")
    found = accelerator.find_obstacle(tmp_path, SnapshotFiles(tmp_path), Recorder())
    assert found == f"no access to {tmp_path / 'kvm'}"
