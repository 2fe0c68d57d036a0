"""The content of an image with a C compiler: gcc, binutils, make, a shell, a program to compile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amikiln_localcloud.registry import tree

PACKAGES = ("busybox-static", "gcc", "libc6-dev", "make")
SOURCE = "lua5.4"
"""Debian's source package of the program to compile."""

APPLETS = ("awk", "cat", "cmp", "cp", "gunzip", "ln", "ls", "mkdir", "mv", "rm", "sed", "tar")
"""Busybox's commands for build steps, in addition to its shell."""

UNUSED: Mapping[str, Sequence[str]] = {
    "runtimes of options that nobody gives: sanitizers, OpenMP, transactions, 128-bit floats": (
        *(f"*/lib{name}san*" for name in ("a", "hwa", "l", "t", "ub")),
        *(f"*/lib{name}.*" for name in ("atomic", "gomp", "itm", "quadmath")),
        "usr/lib/gcc/*/finclude/*",
    ),
    "optimizing when linking: a second compiler as large as the first": (
        "*/lto1",
        "*/lto-wrapper",
        "usr/bin/*lto-dump*",
    ),
    "linking without shared libraries": (
        "usr/lib/*-linux-gnu/lib[a-z]*-[0-9]*.a",
        *(f"usr/lib/*-linux-gnu/lib{name}.a" for name in ("c", "crypt", "m", "mvec")),
        "usr/lib/gcc/*/libgcc_eh.a",
    ),
    "profiles, coverage, debuggers, and looking into object files": (
        *(f"usr/bin/*{name}*" for name in ("gcov", "gp", "objdump", "readelf")),
        *(f"*/lib{name}*" for name in ("backtrace", "cc1", "ctf-nobfd", "gprofng", "opcodes")),
        "usr/lib/*/gprofng/*",
        "usr/lib/gcc/*/plugin/*",
    ),
    "C++": ("*/libstdc++*",),
    "a preprocessor of its own: the compiler's is built in": ("usr/bin/*cpp*",),
    "other processors' kernel interfaces, and those of devices": (
        "usr/lib/linux/uapi/[!x]*",
        "usr/include/[!x]*-linux-gnu*",
        "usr/include/x86_64-linux-gnux32*",
        *(f"usr/include/{name}/*" for name in ("drm", "misc", "mtd", "rdma", "scsi", "sound")),
        *(f"usr/include/{name}/*" for name in ("video", "xen")),
        *(f"usr/include/linux/{name}/*" for name in ("dvb", "netfilter*", "sunrpc", "tc_act")),
    ),
    "other character sets, and what people read or run elsewhere": (
        "usr/lib/*/gconv/*",
        "usr/share/*",
    ),
}
"""Files to leave out, by reason: a guest without KVM pulls about 10 MB a second."""


def collect_files() -> tree.Tree:
    """Return the image's files, with the program's source as its authors published it in usr/src.

    Raises:
        process.CommandFailed: The packages or the source could not be fetched.
        process.CommandMissing: mmdebstrap is not installed.
    """
    unused = [pattern for patterns in UNUSED.values() for pattern in patterns]
    packages = tree.leave_out(tree.unpack_packages(PACKAGES, source=SOURCE), unused)
    applets = {f"usr/bin/{name}": tree.link("busybox") for name in APPLETS}
    return {**tree.FRAME, **applets, **packages}
