"""The Elastic CI Stack's own files of one release, where they can be had; they are kept nowhere."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from urllib.request import urlopen

import pytest

from amikiln_localcloud.machines.elastic_stack import VERSION

CHECKOUT = os.environ.get("AMIKILN_STACK_CHECKOUT", "")
"""A checkout of https://github.com/buildkite/elastic-ci-stack-for-aws at the release, if given."""
SOURCE = "https://raw.githubusercontent.com/buildkite/elastic-ci-stack-for-aws"
READ_SECONDS = 10

BIN, SYSTEMD, HOOKS = "/usr/local/bin", "/etc/systemd/system", "/etc/buildkite-agent/hooks"
STACK, BASE = "packer/linux/stack/conf", "packer/linux/base/conf/docker"
FILES = {
    f"{STACK}/bin/bk-mount-instance-storage.sh": BIN,
    f"{STACK}/bin/bk-configure-docker.sh": BIN,
    f"{STACK}/bin/bk-check-disk-space.sh": BIN,
    f"{STACK}/bin/bk-install-elastic-stack.sh": BIN,
    f"{STACK}/bin/bk-fetch.sh": BIN,
    f"{STACK}/buildkite-agent/hooks/environment": HOOKS,
    f"{STACK}/buildkite-agent/hooks/pre-command": HOOKS,
    f"{STACK}/buildkite-agent/hooks/pre-exit": HOOKS,
    f"{STACK}/buildkite-agent/scripts/stop-agent-gracefully": BIN,
    f"{STACK}/buildkite-agent/scripts/terminate-instance": BIN,
    f"{STACK}/buildkite-agent/systemd/buildkite-agent.service": SYSTEMD,
    f"{BASE}/scripts/docker-gc": BIN,
    f"{BASE}/scripts/docker-low-disk-gc": BIN,
    f"{BASE}/systemd/docker-gc.service": SYSTEMD,
    f"{BASE}/systemd/docker-gc.timer": SYSTEMD,
    f"{BASE}/systemd/docker-low-disk-gc.service": SYSTEMD,
    f"{BASE}/systemd/docker-low-disk-gc.timer": SYSTEMD,
}
"""By their paths in the repository, the folders that the stack's image has them in."""


def fetch() -> dict[str, bytes]:
    """Return the files by their paths in the repository; without them, skip."""
    try:
        return {path: _read(path) for path in FILES}
    except OSError as error:
        pytest.skip(f"the stack's own files are out of reach ({error}): AMIKILN_STACK_CHECKOUT")


def render_step(files: dict[str, bytes]) -> str:
    """Return a step of one's own that puts the files where the stack's image has them."""
    lines = ["#!/bin/sh", "set -eu"]
    for path, content in files.items():
        folder = FILES[path]
        target = f"{folder}/{path.rpartition('/')[2]}"
        mode = "0644" if folder == SYSTEMD else "0755"
        lines.append(f"echo {base64.b64encode(content).decode()} | base64 -d >{target}")
        lines.append(f"chmod {mode} {target}")
    return "\n".join([*lines, "systemctl daemon-reload", ""])


def _read(path: str) -> bytes:
    if CHECKOUT:
        return (Path(CHECKOUT) / path).read_bytes()
    with urlopen(f"{SOURCE}/{VERSION}/{path}", timeout=READ_SECONDS) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content
