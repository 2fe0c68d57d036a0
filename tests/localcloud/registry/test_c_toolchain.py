"""The C compiler's image, and that the build which is to be warmed fits it."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest
from tests.localcloud.registry.conftest import FakeProgram

from amikiln.errors import LocalCloudError
from amikiln.spec.load import load_image
from amikiln_localcloud.home import DEBIAN_SUITE, REGISTRY_NAME
from amikiln_localcloud.registry import c_toolchain, content, images, tree
from fakes import Recorder

IMAGE_DIRECTORY = Path(__file__).parents[3] / "images" / "cpu-build"
KEPT = (
    "usr/bin/x86_64-linux-gnu-gcc-14",
    "usr/bin/x86_64-linux-gnu-ld.bfd",
    "usr/include/linux/limits.h",
    "usr/include/x86_64-linux-gnu/asm/errno.h",
    "usr/lib/gcc/x86_64-linux-gnu/14/libgcc.a",
    "usr/lib/gcc/x86_64-linux-gnu/14/liblto_plugin.so",
    "usr/lib/linux/uapi/x86/asm/errno.h",
    "usr/lib/x86_64-linux-gnu/libc.so",
    "usr/lib/x86_64-linux-gnu/libc_nonshared.a",
    "usr/libexec/gcc/x86_64-linux-gnu/14/cc1",
    "usr/src/lua5.4_5.4.7.orig.tar.gz",
)
LEFT_OUT = (
    "usr/bin/x86_64-linux-gnu-lto-dump-14",
    "usr/include/aarch64-linux-gnu/asm/errno.h",
    "usr/lib/gcc/x86_64-linux-gnu/14/libtsan.a",
    "usr/lib/linux/uapi/arm64/asm/errno.h",
    "usr/lib/x86_64-linux-gnu/libasan.so.8.0.0",
    "usr/lib/x86_64-linux-gnu/libc.a",
    "usr/lib/x86_64-linux-gnu/libm-2.41.a",
    "usr/libexec/gcc/x86_64-linux-gnu/14/lto1",
)


@pytest.fixture
def asked(programs: Path, fake_program: FakeProgram) -> Path:
    """What mmdebstrap was called with, a word a line; it gives the paths above."""
    archive = programs / "packages.tar"
    with tarfile.open(archive, "w") as made:
        for path in (*KEPT, *LEFT_OUT):
            made.addfile(tarfile.TarInfo(f"./{path}"), io.BytesIO())
    fake_program("mmdebstrap", f"printf '%s\\n' \"$@\" > {programs}/asked; cat {archive}")
    return programs / "asked"


def test_what_compiling_c_does_not_need_is_left_out(asked: Path) -> None:
    files = c_toolchain.collect_files()
    assert set(KEPT) <= set(files)
    assert not set(LEFT_OUT) & set(files)
    assert "--include=busybox-static,gcc,libc6-dev,make" in asked.read_text().splitlines()
    assert files["usr/bin/tar"] == files["usr/bin/sh"] == tree.link("busybox")


def test_a_program_of_the_packages_is_not_hidden_by_busybox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = tree.program(b"its own")
    monkeypatch.setattr(tree, "unpack_packages", lambda packages, source: {"usr/bin/tar": own})
    assert c_toolchain.collect_files()["usr/bin/tar"] == own


def test_the_source_is_asked_of_the_mirror_that_the_packages_came_from(
    programs: Path, fake_program: FakeProgram, tmp_path: Path
) -> None:
    """The hook runs here as mmdebstrap would run it, on both forms of apt's lists."""
    root = tmp_path / "root"
    lists = root / "etc/apt/sources.list.d"
    lists.mkdir(parents=True)
    (root / "etc/apt/sources.list").write_text("deb [a=b] mirror trixie main\n")
    (lists / "new.sources").write_text("Types: deb\nURIs: mirror\n")
    fake_program("apt-get", f'echo "$APT_CONFIG $PWD $*" >> {programs}/calls')
    script = 'for word; do case $word in --extract-hook=*) hook="${word#*=}" ;; esac; done'
    run = f'MMDEBSTRAP_APT_CONFIG=its.conf sh -c "$hook" exec {root} || exit 1'
    fake_program("mmdebstrap", f"{script}\n{run}\nexec tar -cf - -T /dev/null")
    tree.unpack_packages(["make"], source="lua5.4")
    assert (root / "etc/apt/sources.list").read_text() == (
        "deb [a=b] mirror trixie main\ndeb-src [a=b] mirror trixie main\n"
    )
    assert (lists / "new.sources").read_text() == "Types: deb deb-src\nURIs: mirror\n"
    update, fetch = (programs / "calls").read_text().splitlines()
    assert update.startswith("its.conf ")
    assert update.endswith(" update")
    assert fetch == f"its.conf {root}/usr/src source --download-only --tar-only lua5.4"


def test_without_the_source_there_is_no_image(
    programs: Path, fake_program: FakeProgram, tmp_path: Path, report: Recorder
) -> None:
    fake_program("mmdebstrap", "echo 'E: Unable to find a source package for lua5.4' >&2; exit 1")
    with pytest.raises(LocalCloudError, match=r"C compiler .* find a source package"):
        images.make_c_toolchain(tmp_path / "cache", report)
    assert not list((tmp_path / "cache").glob("image-*"))


def test_the_image_is_made_once_and_the_same_bytes_again(
    asked: Path, tmp_path: Path, report: Recorder
) -> None:
    first = images.make_c_toolchain(tmp_path / "cache", report)
    asked.unlink()
    assert images.make_c_toolchain(tmp_path / "cache", report).digest == first.digest
    assert not asked.exists()
    assert images.make_c_toolchain(tmp_path / "other", report).digest == first.digest


def test_the_warm_build_fits_the_spec_and_the_registry() -> None:
    warm = load_image(IMAGE_DIRECTORY, local=True).spec.warm
    assert warm is not None
    folder = IMAGE_DIRECTORY / warm.context
    bake = "".join((folder / str(file.file)).read_text() for file in warm.bake_files)
    groups = re.findall(r'^group "(\S+)" \{\n  targets = \[(.*)\]$', bake, re.MULTILINE)
    targets = {name: re.findall(r'"(\w+)"', of) for name, of in groups}
    built = [target for name in warm.targets for target in targets[name]]
    assert sorted(built) == sorted(re.findall(r'^target "(\S+)" \{', bake, re.MULTILINE))
    dockerfile = (folder / "Dockerfile").read_text()
    froms = re.findall(r"^FROM (\S+) AS (\S+)$", dockerfile, re.MULTILINE)
    stages = [stage for _, stage in froms]
    assert set(re.findall(r'^  target += "(\S+)"$', bake, re.MULTILINE)) == set(built)
    assert set(built) <= set(stages)
    bases = {base for base, _ in froms} - set(stages) - {"scratch"}
    assert bases == {f"{REGISTRY_NAME}/{content.C_TOOLCHAIN}:{DEBIAN_SUITE}"}
    copied = re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE)
    assert copied
    assert all((folder / name).is_file() for name in copied)
