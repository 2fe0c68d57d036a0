"""File trees from packages."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from tests.localcloud.registry.conftest import FakeProgram

from amikiln_localcloud.registry import tree


def test_from_packages_keeps_files_and_leaves_manuals_out(
    programs: Path, fake_program: FakeProgram
) -> None:
    archive = programs / "packages.tar"
    with tarfile.open(archive, "w") as made:
        for path, text in (
            ("./usr/bin/tool", "tool"),
            ("./usr/share/doc/tool/copyright", "words"),
            ("./var/lib/dpkg/status", ""),
        ):
            member = tarfile.TarInfo(path)
            member.mode, member.size = 0o755, len(text)
            made.addfile(member, io.BytesIO(text.encode()))
        hard_link = tarfile.TarInfo("./usr/bin/other")
        hard_link.type, hard_link.linkname, hard_link.mode = (
            tarfile.LNKTYPE,
            "./usr/bin/tool",
            0o755,
        )
        made.addfile(hard_link)
    fake_program("mmdebstrap", f"cat {archive}")
    assert tree.unpack_packages(["tool"]) == {
        "usr/bin/tool": tree.program(b"tool"),
        "usr/bin/other": tree.program(b"tool"),
    }


def test_added_is_what_is_new_or_other() -> None:
    base = {"a": tree.text("1"), "b": tree.text("1")}
    later = {"a": tree.text("1"), "b": tree.text("2"), "c": tree.text("3")}
    assert tree.subtract(later, base) == {"b": tree.text("2"), "c": tree.text("3")}


def test_certificates_become_one_file() -> None:
    files = {f"{tree.CERTIFICATES}{name}.crt": tree.text(f"{name}\n") for name in "ba"}
    made = tree.add_certificates(files)
    assert made["etc/ssl/certs/ca-certificates.crt"] == tree.text("a\nb\n")
