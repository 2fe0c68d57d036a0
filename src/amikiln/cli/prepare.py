"""What a command needs before it starts: the spec, and a session with the cloud."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amikiln.cli.local_cloud import find_local_cloud
from amikiln.cli.options import NO_WAIT, parse_time

if TYPE_CHECKING:
    from amikiln import ImageFolder, Session

STARTED = time.monotonic()


def prepare(
    image: Path,
    local: bool,
    changes: Sequence[str] = (),
    secrets_fd: int | None = None,
    lease_wait: str = NO_WAIT,
) -> tuple[ImageFolder, Session]:
    """Return an image's folder, and a session to work on it with.

    Args:
        image: The image's directory.
        local: Use the local cloud, and start it if it is not up.
        changes: Values of the spec for this run alone, as ``table.key=value``.
        secrets_fd: A file descriptor with the warm build's secrets.
        lease_wait: How long to wait for another run of the same image to end, as ``10m``.
    """
    from amikiln import load, open_session
    from amikiln.cli.secrets import read_secrets
    from amikiln.runtime.progress import reporter_for_stderr
    from amikiln.runtime.wait import Waiter

    lease_wait_seconds = parse_time(lease_wait, "--lease-wait")
    report = reporter_for_stderr(STARTED)
    waiter = Waiter(report)
    folder = load(image, local=local, changes=changes)
    secrets = read_secrets(secrets_fd) if secrets_fd is not None else {}
    if local:
        cloud = find_local_cloud()
        with waiter.span("the local cloud"):
            cloud.enter(report)
    session = open_session(
        folder.spec.region, report, waiter, secrets=secrets, lease_wait_seconds=lease_wait_seconds
    )
    return folder, session
