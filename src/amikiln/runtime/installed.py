"""The lines that bring what is missing: a part of amikiln, or a program of the system."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

OPENSSH = {"apt-get": "openssh-client", "dnf": "openssh-clients", "brew": "openssh"}
QEMU = {"apt-get": "qemu-utils", "dnf": "qemu-img", "brew": "qemu"}
PACKAGES: dict[str, dict[str, str]] = {
    "aws": {"apt-get": "awscli", "dnf": "awscli", "brew": "awscli"},
    "debugfs": {"apt-get": "e2fsprogs"},
    "docker": {"apt-get": "docker.io", "dnf": "docker", "brew": "docker"},
    "docker-registry": {"apt-get": "docker-registry"},
    "e2fsck": {"apt-get": "e2fsprogs"},
    "git": {"apt-get": "git", "dnf": "git", "brew": "git"},
    "git-lfs": {"apt-get": "git-lfs", "dnf": "git-lfs", "brew": "git-lfs"},
    "ip": {"apt-get": "iproute2"},
    "mke2fs": {"apt-get": "e2fsprogs"},
    "mmdebstrap": {"apt-get": "mmdebstrap"},
    "nbdfuse": {"apt-get": "libnbd-bin"},
    "nft": {"apt-get": "nftables"},
    "nsenter": {"apt-get": "util-linux", "dnf": "util-linux"},
    "qemu-img": QEMU,
    # Which of the two has it differs between Debian's releases.
    "qemu-storage-daemon": {"apt-get": "qemu-system-x86 qemu-utils"},
    "qemu-system-x86_64": {"apt-get": "qemu-system-x86"},
    "resize2fs": {"apt-get": "e2fsprogs"},
    "skopeo": {"apt-get": "skopeo", "dnf": "skopeo", "brew": "skopeo"},
    "slirp4netns": {"apt-get": "slirp4netns"},
    "ssh": OPENSSH,
    "ssh-keygen": OPENSSH,
    "systemd-nspawn": {"apt-get": "systemd-container"},
    "unshare": {"apt-get": "util-linux", "dnf": "util-linux"},
}
"""The package of a program, by the program that installs packages."""
ELSEWHERE = {
    "session-manager-plugin": "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html",
    "terraform": "https://developer.hashicorp.com/terraform/install",
}
"""Where programs are that the systems do not have."""


def find_line_for(*programs: str) -> str:
    """Return the line that installs programs on this system, or words if there is none.

    Args:
        programs: Their names, as on PATH.
    """
    manager = next((name for name in ("apt-get", "dnf", "brew") if shutil.which(name)), None)
    known = {PACKAGES.get(program, {}).get(manager or "") for program in programs}
    packages = sorted(package for package in known if package)
    words = [f"{name}: {ELSEWHERE[name]}" for name in programs if name in ELSEWHERE]
    if packages and manager:
        sudo = "" if manager == "brew" else "sudo "
        words.insert(0, f"{sudo}{manager} install {' '.join(packages)}")
    return "; ".join(words) or f"install {', '.join(programs)}, and see that PATH has it"


def find_line_for_extra(extra: str) -> str:
    """Return the line that installs amikiln again with an extra, from where it came from.

    Args:
        extra: ``local``, for the local cloud.
    """
    import shlex

    wanted, options = _describe_origin(extra)
    prefix = Path(sys.prefix)
    if (prefix / "uv-receipt.toml").exists():
        command = "uv tool install --force"
    elif (prefix / "pipx_metadata.json").exists():
        command = "pipx install --force"
    else:
        command = f"{shlex.quote(sys.executable)} -m pip install"
    return f"{command} {options}'{wanted}'"


def _describe_origin(extra: str) -> tuple[str, str]:
    """Return what to install, and the option to install it with.

    Source of what an installer leaves there: PEP 610,
    https://packaging.python.org/en/latest/specifications/direct-url-data-structure/
    """
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import unquote, urlsplit

    name = f"amikiln[{extra}]"
    try:
        found = distribution("amikiln")
    except PackageNotFoundError:
        return name, ""
    origin = json.loads(found.read_text("direct_url.json") or "{}")
    url = origin.get("url", "")
    if vcs := origin.get("vcs_info"):
        return f"{name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}", ""
    if origin.get("dir_info", {}).get("editable"):
        return f"{unquote(urlsplit(url).path)}[{extra}]", "--editable "
    return (f"{name} @ {url}" if url else f"{name}=={found.version}"), ""
