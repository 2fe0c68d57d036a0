"""The real docker-registry, started on a free port, asked by the real skopeo."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from amikiln.errors import LocalCloudError
from amikiln.runtime import process as proc
from amikiln_localcloud.children import Launcher
from amikiln_localcloud.home import REGISTRY_NAME, Home
from amikiln_localcloud.registry import oci, tree
from amikiln_localcloud.registry import server as registries
from amikiln_localcloud.registry.server import Registry, find_digest

SKOPEO = ["skopeo", "--insecure-policy"]


class RememberingLauncher(Launcher):
    """The real one, which remembers what it started."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[subprocess.Popen[bytes]] = []

    def start(
        self, argv: Sequence[str], output: Path, *, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        self.started.append(super().start(argv, output, pass_fds=pass_fds))
        return self.started[-1]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(state=tmp_path / "state", cache=tmp_path / "cache")


@pytest.fixture
def launcher() -> RememberingLauncher:
    return RememberingLauncher()


@pytest.fixture
def registry(home: Home, launcher: RememberingLauncher) -> Iterator[Registry]:
    running = Registry(home, launcher)
    running.start()
    yield running
    running.close()


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    directory = tmp_path / "layout"
    directory.mkdir()
    oci.write_layout(directory, "it", [{"hello": tree.text("hello")}], oci.ImageConfig())
    return directory


def push(layout: Path, address: str) -> None:
    target = f"docker://{address}/some/thing:latest"
    # Without it skopeo compresses the layers, and the digest is another one.
    options = ["--preserve-digests", "--dest-tls-verify=false"]
    proc.run([*SKOPEO, "copy", *options, f"oci:{layout}:it", target])


def test_a_tag_names_the_digest_that_was_pushed(registry: Registry, layout: Path) -> None:
    assert find_digest(registry.address, "some/thing", "latest") is None
    push(layout, registry.address)
    assert find_digest(registry.address, "some/thing", "latest") == oci.read_digest(layout)


def test_skopeo_finds_it_by_the_guests_name(registry: Registry, layout: Path, home: Home) -> None:
    push(layout, registry.address)
    conf = ["--registries-conf", str(home.registries_conf)]
    asked = [
        "inspect",
        "--no-tags",
        "--format",
        "{{.Digest}}",
        f"docker://{REGISTRY_NAME}/some/thing",
    ]
    told = proc.run([*SKOPEO, *conf, *asked]).stdout
    assert told.decode().strip() == oci.read_digest(layout)


def test_content_survives_a_restart(
    registry: Registry, layout: Path, home: Home, launcher: RememberingLauncher
) -> None:
    push(layout, registry.address)
    registry.close()
    again = Registry(home, launcher)
    again.start()
    try:
        assert find_digest(again.address, "some/thing", "latest") == oci.read_digest(layout)
        assert again.address in home.registries_conf.read_text()
    finally:
        again.close()


def test_close_ends_the_process(registry: Registry, launcher: RememberingLauncher) -> None:
    registry.close()
    assert [process.poll() is None for process in launcher.started] == [False]
    with pytest.raises(LocalCloudError, match="does not answer"):
        find_digest(registry.address, "some/thing", "latest")
    registry.close()  # twice is once


def test_it_listens_on_loopback_alone(registry: Registry) -> None:
    port = int(registry.address.rpartition(":")[2])
    listening = {
        fields[1].partition(":")[0]
        for table in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{table}").read_text().splitlines()[1:])
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
    }
    assert listening == {"0100007F"}


def test_another_port_is_tried_when_the_first_is_taken(
    registry: Registry,
    home: Home,
    launcher: RememberingLauncher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = int(registry.address.rpartition(":")[2])
    free = registries._free_port()
    ports = iter([taken, free])
    monkeypatch.setattr(registries, "_free_port", lambda: next(ports))
    # The one that holds the port answers there: an answer alone does not mean that ours started.
    other = Registry(Home(home.state.with_name("other"), home.cache), launcher)
    other.start()
    try:
        assert other.address == f"127.0.0.1:{free}"
    finally:
        other.close()


def test_the_reason_why_it_does_not_start_is_reported(
    home: Home, launcher: RememberingLauncher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bin" / "docker-registry"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'no such storage driver' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent), prepend=":")
    with pytest.raises(LocalCloudError, match="does not start: no such storage driver") as caught:
        Registry(home, launcher).start()
    assert "registry.log" in (caught.value.hint or "")


def test_a_missing_program_is_named(
    home: Home, launcher: RememberingLauncher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(proc.CommandMissing, match="docker-registry"):
        Registry(home, launcher).start()
