"""The real daemon, with fake machines and no registry: ``fake_daemon.py --state ...``.

``FAKE_FAILURE`` in the environment makes it fail at start, with that text.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from amikiln.errors import LocalCloudError
from amikiln_localcloud import daemon
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.kinds import Choice, Kind
from localcloud.fakes import FakeHypervisor, make_base

CHOICE = Choice(Kind.EMULATED, "they are fakes")


class FakeRegistry:
    address = "127.0.0.1:9"

    def close(self) -> None: ...


def parts(home: Home) -> daemon.Parts:
    if failure := os.environ.get("FAKE_FAILURE"):
        raise LocalCloudError(failure)
    base = make_base(home.cache)
    return daemon.Parts(FakeHypervisor(), FakeRegistry(), base, "0123456789abcdef", 4, CHOICE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    given, _ = parser.parse_known_args()
    daemon.configure_log()
    daemon.run(Home(state=given.state, cache=given.cache), parts)
