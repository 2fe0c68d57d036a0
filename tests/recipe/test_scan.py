"""97-scan: finds what is hidden in a small root; tells file and kind, never content."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from amikiln.recipe import scanner
from amikiln.recipe.render import read_shipped_files
from recipe.root_folder import CONTAINER, Ran, RootFolder

TOKEN = "ghp_" + "q7Zk2Lw9Xb4Rt8Vn1Mc6Pd3Hs5Gj0Fy2Ka4T"
LOGIN = "QVdTOmV5SndZWGxzYjJGa0lqb2lRVk5KUVNKOQ=="
ENTROPY = "q7Zk2Lw9Xb4Rt8Vn1Mc6Pd3Hs5"
KEY_HEAD = "-----BEGIN OPENSSH PRIVATE " + "KEY-----"
KEY = f"{KEY_HEAD}\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"
MANIFEST = '{"planned":{"image":"i"},"packages":{"bash":"5"}}\n'
STATE = f"var/lib/docker/volumes/{CONTAINER}_state/_data"


class Scanned(RootFolder):
    """A root folder in which only /small is scanned."""

    def place_file(self, path: str, content: str) -> None:
        self.put(f"small/{path}", content)

    def scan(self, *, times: int = 1, before: str = "") -> tuple[list[Ran], dict[str, Any]]:
        """Scan, and return what was said and what the manifest says of it."""
        self.variables["SCAN_ROOT"] = "/small"
        self.put("small/etc/amikiln/manifest.json", MANIFEST)
        ran = self.run(
            "97-scan", times=times, before=before, after="cat /small/etc/amikiln/manifest.json"
        )
        said = "".join(one.said for one in ran)
        for secret in (TOKEN, LOGIN, ENTROPY, KEY.splitlines()[1]):
            assert secret not in said
            assert secret not in self.left
        return ran, json.loads(self.left)


@pytest.fixture(scope="session")
def scanner_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the scanner, which is large, and its rules once for all tests."""
    folder = tmp_path_factory.mktemp("scanner")
    for path, content in scanner.read_files(read_shipped_files()[scanner.RULES], "x86_64").items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(content)
    (folder / scanner.PROGRAM).chmod(0o755)
    return folder


@pytest.fixture
def small(tmp_path: Path, scanner_files: Path) -> Scanned:
    if os.geteuid() != 0:
        pytest.skip("not run: a throwaway root folder is mounted by root")
    folder = Scanned(tmp_path)
    folder.fake_program("sync")
    folder.fake_machine("amazon")
    folder.shown = {f"recipe/{file.name}": file for file in scanner_files.iterdir()}
    folder.put("etc/amikiln/builder-state-directory", f"/{STATE}\n")
    folder.place_file("etc/passwd", "buildkite-agent:x:990:990::/var/lib/buildkite-agent:/bin/sh\n")
    return folder


def findings(ran: Ran) -> set[tuple[str, str]]:
    lines = [line for line in ran.said.splitlines() if line.startswith("found: ")]
    pairs = (line.removeprefix("found: ").split(" in ", 1) for line in lines)
    return {(kind, json.JSONDecoder().raw_decode(path)[0]) for kind, path in pairs}


def test_a_clean_root_passes_and_the_result_is_bound_into_the_manifest(small: Scanned) -> None:
    (first, second), manifest = small.scan(times=2)
    assert (first.exit_code, second.exit_code) == (0, 0), first.said + second.said
    assert manifest["planned"] == {"image": "i"}
    assert manifest["packages"] == {"bash": "5"}
    scan = manifest["scan"]
    assert scan["scanner"] == f"kingfisher {scanner.read_version()}"
    assert (scan["open"], scan["allowed"]) == (0, [])
    assert scan["rules"] > 400
    assert scan["files"] >= 2
    assert scan["bytes"] > len(MANIFEST)
    assert "scanned for secrets: " in first.said


SPOILT = {
    "root/.docker/config.json": (f'{{"auths":{{"h":{{"auth":"{LOGIN}"}}}}}}', "registry-login"),
    "var/lib/buildkite-agent/.docker/config.json": (
        f'{{"auths":{{"h":{{"identitytoken":"{LOGIN}"}}}}}}',
        "registry-login",
    ),
    "var/tmp/id": (KEY, "private-key"),
    "usr/share/notes": (f"token {TOKEN}\n", "betterleaks.github-pat"),
    "opt/tool.conf": (f'api_key = "{ENTROPY}"\n', "amikiln.entropy"),
    "root/.ssh/authorized_keys": ("ssh-ed25519 AAAA somebody\n", "authorized-keys"),
    "root/.bash_history": ("ls\n", "history"),
    "var/lib/cloud/instance/user-data.txt": ("#!/bin/sh\n", "user-data"),
    "root/.aws/credentials": ("aws_secret_access_key = x\n", "aws-credentials"),
    "root/.netrc": ("machine h login l password p\n", "netrc"),
    "root/.git-credentials": ("https://u:p@host\n", "git-credentials"),
    "root/.npmrc": ("//h/:_authToken=t\n", "npm-token"),
    "root/.pypirc": ("password = p\n", "pypi-token"),
    "etc/ssh/ssh_host_ed25519_key": (KEY, "ssh-host-key"),
}


def test_every_kind_is_found_by_file_and_kind(small: Scanned) -> None:
    for path, (content, _) in SPOILT.items():
        small.place_file(path, content)
    (ran,), manifest = small.scan()
    assert ran.exit_code == 1
    wanted = {(kind, f"/{path}") for path, (_, kind) in SPOILT.items()}
    assert wanted <= findings(ran), ran.said
    assert manifest["scan"]["open"] == len(findings(ran))
    assert "[[secrets.allow]]" in ran.said


def test_entropy_counts_only_where_people_put_things(small: Scanned) -> None:
    small.place_file("usr/share/tool.conf", f'api_key = "{ENTROPY}"\n')
    small.place_file("opt/bin/tool", f'\x7fELF api_key = "{ENTROPY}"\n')
    (ran,), _ = small.scan()
    assert (ran.exit_code, findings(ran)) == (0, set()), ran.said


def test_hostile_names_are_told_and_can_be_allowed(small: Scanned) -> None:
    names = ['we"ird', "two\nlines", "[a]*?", "back\\slash", "ta\tb", "it's"]
    reasons = {f"/opt/{name}": f"key {n} opens nothing" for n, name in enumerate(names)}
    for path in reasons:
        small.place_file(path[1:], KEY)
    (ran,), _ = small.scan()
    assert ran.exit_code == 1
    assert {("private-key", path) for path in reasons} <= findings(ran)

    entries = [{"path": path, "reason": reason} for path, reason in reasons.items()]
    small.plan_changes = {"secrets": {"allow": entries}}
    (ran,), manifest = small.scan()
    assert ran.exit_code == 0, ran.said
    allowed = manifest["scan"]["allowed"]
    assert {(entry["path"], entry["reason"]) for entry in allowed} == set(reasons.items())


def test_what_is_allowed_is_of_one_kind_at_one_place(small: Scanned) -> None:
    for path in ("opt/a/key", "opt/b/key"):
        small.place_file(path, KEY)
    entry = {"path": "/opt/a*", "kind": "*private-key", "reason": "a key that opens nothing"}
    small.plan_changes = {"secrets": {"allow": [entry]}}
    (ran,), _ = small.scan()
    assert ran.exit_code == 1
    assert {path for _, path in findings(ran)} == {"/opt/b/key"}


def test_layers_are_left_out_and_said_and_metadata_is_not(small: Scanned) -> None:
    small.place_file("var/lib/docker/overlay2/0/diff/key", f"token {TOKEN}\n")
    small.place_file(f"{STATE}/runc-overlayfs/snapshots/snapshots/1/fs/key", f"token {TOKEN}\n")
    blobs = f"{STATE}/runc-overlayfs/content/blobs/sha256"
    small.place_file(f"{blobs}/1", f'{{"config":{{"Env":["T={TOKEN}"]}}}}')
    small.place_file(f"{blobs}/2", f"layer {TOKEN}")
    small.place_file(f"{STATE}/history.db", f"\0\1\2 {TOKEN} \0")
    images = "var/lib/docker/image/overlay2/imagedb/content/sha256/3"
    small.place_file(images, f'{{"history":["{TOKEN}"]}}')
    (ran,), manifest = small.scan()
    assert ran.exit_code == 1
    told = {f"/{blobs}/1", f"/{STATE}/history.db", f"/{images}"}
    assert {path for _, path in findings(ran)} == told, ran.said
    assert "left out: layer contents in /var/lib/docker/overlay2" in ran.said
    assert f"/{STATE}/runc-overlayfs/content/blobs" in manifest["scan"]["left_out"]


def test_a_container_scans_everything(small: Scanned) -> None:
    """Also on a host that is emulated itself."""
    small.fake_machine("systemd-nspawn", "QEMU TCG CPU version 2.5+")
    small.place_file("usr/share/a", f"token {TOKEN}\n")
    sums = "cd /small; mkdir -p var/lib/dpkg/info; md5sum usr/share/a >var/lib/dpkg/info/p.md5sums"
    (ran,), manifest = small.scan(before=f"{sums}; cd /recipe")
    assert {path for _, path in findings(ran)} == {"/usr/share/a"}, ran.said
    assert "packages' checksums" not in manifest["scan"]["left_out"]
    assert "base64" not in manifest["scan"]["left_out"]


def test_on_an_emulated_machine_unchanged_files_of_packages_are_left_out(small: Scanned) -> None:
    small.fake_machine("amazon", "QEMU TCG CPU version 2.5+")
    for path in ("usr/share/a", "usr/share/b", "usr/share/c"):
        small.place_file(path, f"token {TOKEN}\n")
    sums = (
        "cd /small; mkdir -p var/lib/dpkg/info;"
        " md5sum usr/share/a usr/share/b >var/lib/dpkg/info/p.md5sums;"
        " echo changed >>usr/share/b; cd /recipe"
    )
    (ran,), manifest = small.scan(before=sums)
    assert ran.exit_code == 1
    assert {path for _, path in findings(ran)} == {"/usr/share/b", "/usr/share/c"}
    assert "left out: 1 files that are as their packages' checksums say" in ran.said
    assert "1 files that are as" in manifest["scan"]["left_out"]


def test_a_file_too_large_to_scan_is_a_finding(small: Scanned) -> None:
    (ran,), _ = small.scan(before="truncate -s 300M /small/var/large || truncate -s 300M /small/l")
    assert ran.exit_code == 1
    assert {kind for kind, _ in findings(ran)} == {"too-large-to-scan"}


def test_a_scanner_that_fails_tells_nothing_and_fails_the_step(small: Scanned) -> None:
    broken = "umount kingfisher; printf '#!/bin/sh\\nexit 3\\n' >kingfisher; chmod 755 kingfisher"
    (ran,), manifest = small.scan(before=broken)
    assert ran.exit_code == 1
    assert "exit code 3: nothing is known" in ran.said
    assert "scan" not in manifest
