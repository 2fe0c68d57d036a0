"""What a command needs before it starts: the spec, the cloud, a session."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from amikiln.aws import connect
from amikiln.cli import secrets as secrets_input
from amikiln.cli.options import NO_WAIT, seconds_of
from amikiln.machine.ssh import SshGuest
from amikiln.runtime.progress import reporter_for_stderr
from amikiln.runtime.wait import Waiter
from amikiln.session import Session
from amikiln.spec import load
from amikiln.spec.spec import Spec
from amikiln_localcloud import Home, up, variables

STARTED = time.monotonic()


def prepared(
    image: Path,
    local: bool,
    changes: Sequence[str] = (),
    secrets_fd: int | None = None,
    lease_wait: str = NO_WAIT,
) -> tuple[Spec, Session]:
    """Return an image's spec, and the session to work on it with.

    Args:
        image: The image's directory.
        local: Use the local cloud, and start it if it is not up.
        changes: Values of the spec for this run alone, as ``table.key=value``.
        secrets_fd: A file descriptor with the warm build's secrets.
        lease_wait: How long to wait for another run's lease, as ``10m``.
    """
    lease_wait_seconds = seconds_of(lease_wait, "--lease-wait")
    report = reporter_for_stderr(STARTED)
    waiter = Waiter(report)
    spec = load.load(image, local=local, changes=changes)
    secrets = secrets_input.read(secrets_fd) if secrets_fd is not None else {}
    if local:
        home = Home.default()
        with waiter.span("the local cloud"):
            up(home, report)
        variables.enter(home, os.environ)
    cloud = connect.connect(spec.region)
    return spec, Session(cloud, report, waiter, SshGuest, secrets, lease_wait_seconds)
