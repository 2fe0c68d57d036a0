"""The source image is scanned first: only what the bake brought or changed is its fault."""

from __future__ import annotations

from typing import Any

import pytest

from recipe.root_folder import Ran
from recipe.test_scan import ENTROPY, KEY, LOGIN, TOKEN, Scanned, findings, scanner_files, small

__all__ = ["scanner_files", "small"]  # fixtures

EXAMPLES = "usr/local/aws-cli/v2/dist/awscli/examples/iam/upload-server-certificate.rst"
HOSTILE = 'opt/we"ird\\ na\tme'


class BothScans:
    """05-scan-source, some changes, and 97-scan, in one root.

    Attributes:
        first: What the first step said.
        ran: What the second did.
        scan: What it wrote into the manifest.
    """

    def __init__(self, small: Scanned, changes: str = ":", *, moment: int = 2**40) -> None:
        small.variables["BOOT_MOMENT"] = str(moment)
        small.variables["SCAN_ROOT"] = "/small"
        before = (
            # A source image has no builder yet.
            "cd /etc/amikiln; mv builder-state-directory /later; cd /recipe;"
            " sh -eu steps/05-scan-source.sh >/results/first 2>&1 || echo FAILED >>/results/first;"
            " mv /later /etc/amikiln/builder-state-directory;"
            f" cd /small; {changes}; cd /recipe"
        )
        (self.ran,), manifest = small.scan(before=before)
        self.first = (small.place / "results" / "first").read_text()
        assert "FAILED" not in self.first, self.first
        self.scan: dict[str, Any] = manifest.get("scan", {})


def said(ran: Ran, start: str) -> list[str]:
    return [line for line in ran.said.splitlines() if line.startswith(start)]


def test_what_was_there_and_is_unchanged_is_listed_and_no_fault(small: Scanned) -> None:
    small.place_file(EXAMPLES, f"token:: {TOKEN}\n")
    small.place_file("usr/share/notes", f"token {TOKEN}\n")
    small.place_file(HOSTILE, KEY)
    both = BothScans(small)
    assert both.ran.exit_code == 0, both.first + both.ran.said
    assert both.scan["open"] == 0
    assert {"/usr/share/notes", f"/{EXAMPLES}", f"/{HOSTILE}"} <= {
        one["path"] for one in both.scan["source"]
    }
    assert all(len(one["sha256"]) == 64 for one in both.scan["source"])
    assert said(both.ran, 'in the source image, unchanged: betterleaks.github-pat in "/usr/share/')
    assert 'in the source image: betterleaks.github-pat in "/usr/share/notes"' in both.first
    for secret in (TOKEN, KEY.splitlines()[1]):
        assert secret not in both.first + both.ran.said


@pytest.mark.parametrize(
    ("changes", "found", "words"),
    [
        ("echo more >>usr/share/notes", "/usr/share/notes", "in the source image, and has changed"),
        ("cp -p usr/share/notes usr/share/copy", "/usr/share/copy", "not in the source image"),
        ("mv usr/share/notes usr/share/moved", "/usr/share/moved", "not in the source image"),
        (
            f"mkdir -p opt; printf 'api_key = \"{ENTROPY}\"' >opt/tool.conf",
            "/opt/tool.conf",
            "not in the source image",
        ),
    ],
    ids=["changed", "copied", "moved", "new"],
)
def test_what_the_bake_brought_or_changed_fails_and_is_told_from_the_rest(
    changes: str, found: str, words: str, small: Scanned
) -> None:
    small.place_file("usr/share/notes", f"token {TOKEN}\n")
    small.place_file("usr/share/more", f"token {TOKEN}\n")
    both = BothScans(small, changes)
    assert both.ran.exit_code == 1
    assert {path for _, path in findings(both.ran)} == {found}, both.ran.said
    (line,) = said(both.ran, "found: ")
    assert line.endswith(f'in "{found}" ({words})')
    assert "/usr/share/more" in {one["path"] for one in both.scan["source"]}


def test_another_kind_of_finding_in_the_same_file_is_new(small: Scanned) -> None:
    small.place_file("opt/notes", f"token {TOKEN}\n")
    both = BothScans(small, f"printf '%s' '{KEY}' >>opt/notes")
    assert both.ran.exit_code == 1
    assert {line.rpartition(" (")[2] for line in said(both.ran, "found: ")} == {
        "in the source image, and has changed)",
        "not in the source image)",
    }
    assert both.scan["source"] == []


def test_a_file_rewritten_with_the_same_content_is_the_source_s(small: Scanned) -> None:
    small.place_file("usr/share/notes", f"token {TOKEN}\n")
    both = BothScans(small, "cp usr/share/notes a; rm usr/share/notes; mv a usr/share/notes")
    assert (both.ran.exit_code, both.scan["open"]) == (0, 0), both.ran.said


def test_what_booting_the_machine_brought_is_never_the_source_image_s(small: Scanned) -> None:
    auth = f'{{"auths":{{"h":{{"auth":"{LOGIN}"}}}}}}'
    brought = {
        "etc/ssh/ssh_host_ed25519_key": KEY,
        "root/.ssh/authorized_keys": "ssh-ed25519 AAAA somebody\n",
        "root/.bash_history": "ls\n",
        "var/lib/cloud/instance/user-data.txt": f"#!/bin/sh\n# {TOKEN}\n",
        "root/.docker/config.json": auth,
    }
    for path, content in brought.items():
        small.place_file(path, content)
    # All but the login are by their kind and place; that one by when it was written.
    both = BothScans(small, moment=1)
    assert both.ran.exit_code == 1
    assert {f"/{path}" for path in brought} <= {path for _, path in findings(both.ran)}
    assert both.scan["source"] == []
    later = BothScans(small)
    assert [one["path"] for one in later.scan["source"]] == ["/root/.docker/config.json"] * len(
        later.scan["source"]
    )
    assert len(findings(later.ran)) >= len(brought) - 1


def test_the_first_scan_is_not_repeated_when_the_recipe_is(small: Scanned) -> None:
    again = "cd /recipe; sh -eu steps/05-scan-source.sh >>/results/first 2>&1; cd /small"
    both = BothScans(small, f"echo 'token {TOKEN}' >notes; {again}")
    assert "the source image was scanned before" in both.first
    assert (both.ran.exit_code, both.scan["source"]) == (1, [])


def test_without_the_first_scan_every_finding_is_the_bake_s(small: Scanned) -> None:
    small.place_file("usr/share/notes", f"token {TOKEN}\n")
    (ran,), manifest = small.scan()
    assert ran.exit_code == 1
    assert "the source image was not scanned: every finding counts as the bake's" in ran.said
    assert manifest["scan"]["source"] == []
