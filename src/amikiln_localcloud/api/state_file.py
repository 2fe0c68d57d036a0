"""The file in which images, snapshots and parameters survive the daemon.

The file is replaced as a whole and only when its content changed, so that a daemon that is
killed leaves the content before or after a change, never something between.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from amikiln.errors import LocalCloudError
from amikiln.runtime.files import write_atomically
from amikiln_localcloud.api.records import State


class StateFile:
    """Reads the state at start, and writes it when it changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: str | None = None
        self._collect: Callable[[], State] | None = None

    def read(self) -> State:
        """Return the file's content; an empty state if there is no file.

        Raises:
            LocalCloudError: The file is not a state, or of a format that is not known. Starting
                without it would delete every snapshot as unknown.
        """
        try:
            text = self._path.read_text()
        except FileNotFoundError:
            return State()
        try:
            return State.model_validate_json(text)
        except ValidationError as error:
            raise LocalCloudError(
                f"the local cloud's state {self._path} cannot be read: {_describe(error)}",
                hint="fix the file, or delete all images and parameters: amikiln cloud reset",
            ) from error

    def track(self, collect: Callable[[], State]) -> None:
        """Let ``write`` write what ``collect`` returns; before, it writes nothing.

        Args:
            collect: Returns the state as it is now.
        """
        self._collect = collect

    def write(self) -> None:
        """Replace the file if the state differs from what was written last.

        Raises:
            OSError: The disk is full or the directory is gone; the old file is untouched.
        """
        if self._collect is None:
            return
        text = self._collect().model_dump_json(indent=1)
        if text == self._written:
            return
        write_atomically(self._path, text, mode=0o600)
        self._written = text


def _describe(error: ValidationError) -> str:
    """Return the first fault as ``images.0.name: Field required``, without the file's values."""
    fault = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in fault["loc"])
    return f"{key}: {fault['msg']}" if key else str(fault["msg"])
