"""Runs commands as their user does, and reads what they write."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from amikiln.cli import main

IMAGE = Path(__file__).parents[2] / "images" / "cpu-build"


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str


class Terminal:
    """Runs commands in this process, in an environment without AWS credentials.

    Args:
        patch: Takes the changes back.
        capture: Reads what the commands write.
        home: The user's home directory.
    """

    def __init__(
        self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str], home: Path
    ) -> None:
        self._patch, self._capture = patch, capture
        for name in os.environ.keys() - {"PATH", "LANG", "PYTHONPATH"}:
            patch.delenv(name)
        # Leaves the test process's answer to Ctrl-C as it is.
        patch.setattr(main.signal, "signal", lambda number, handler: None)
        self.set(
            HOME=home, AWS_EC2_METADATA_DISABLED="true", AMIKILN_STATE=home / "state", COLUMNS=80
        )

    def set(self, **variables: object) -> None:
        for name, value in variables.items():
            self._patch.setenv(name, str(value))

    def use(self, endpoint: str) -> None:
        """Let commands use another cloud's endpoint."""
        self.set(AWS_ENDPOINT_URL=endpoint, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="y")

    def run(self, *words: object) -> Done:
        self._patch.setattr(sys, "argv", ["amikiln", *map(str, words)])
        self._capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.main()
        written = self._capture.readouterr()
        return Done(int(ended.value.code or 0), written.out, written.err)
