"""Where snapshots' files are, and when they may be deleted.

On EC2 a volume does not need the snapshot it was made from. Here a machine's disk is an
overlay on it, so the files of a deleted snapshot stay until the last such machine is gone.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from amikiln.errors import AmikilnError
from amikiln.runtime.files import fill_atomically
from amikiln_localcloud.machines.contract import MachineFailure, SnapshotFiles

log = logging.getLogger("amikiln.snapshots")


class SnapshotStore:
    """The snapshots' directories below one directory, and registered files elsewhere.

    Not thread-safe: used while holding the cloud's lock, except where noted.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._registered: dict[str, SnapshotFiles] = {}
        self._makers: dict[Path, Callable[[], object]] = {}
        self._users: Counter[Path] = Counter()
        self._deleted: set[Path] = set()

    def files(self, snapshot_id: str) -> SnapshotFiles:
        """Return where a snapshot's files are, or will be."""
        return self._registered.get(snapshot_id) or SnapshotFiles(self._directory / snapshot_id)

    def register(
        self,
        snapshot_id: str,
        files: SnapshotFiles,
        make: Callable[[], object] | None = None,
    ) -> None:
        """Make files outside of the directory (a base image's) those of a snapshot.

        Args:
            snapshot_id: The snapshot.
            files: Its files.
            make: Makes the files where they do not exist yet; called when they are needed first,
                and by several threads at once.
        """
        self._registered[snapshot_id] = files
        if make is not None:
            self._makers[files.directory] = make

    def prepare(self, files: SnapshotFiles) -> None:
        """Make a registered snapshot's files if they are not there yet; not under the lock.

        Raises:
            MachineFailure: They could not be made.
        """
        make = self._makers.get(files.directory)
        if make is None or files.disk.is_file():
            return
        try:
            make()
        except AmikilnError as error:
            raise MachineFailure(" ".join(error.what.split())) from error

    def exists(self, snapshot_id: str) -> bool:
        """Return whether a snapshot has files; a directory with its final name is complete."""
        return self.files(snapshot_id).disk.is_file()

    def copy(self, source: SnapshotFiles, target_id: str) -> None:
        """Make a snapshot of the same content; its files are the same on disk (hard links).

        Raises:
            OSError: The links could not be made.
        """
        with fill_atomically(self._directory / target_id) as target:
            # Every file: some machines boot without an initrd, others may need more.
            for file in source.directory.iterdir():
                try:
                    os.link(file, target / file.name)
                except OSError:
                    # Another file system (a base image in the cache), or one without links.
                    shutil.copyfile(file, target / file.name)

    def hold(self, files: SnapshotFiles) -> None:
        """Keep files until ``release``, even if their snapshot is deleted."""
        self._users[files.directory] += 1

    def release(self, files: SnapshotFiles) -> None:
        """Undo one ``hold``."""
        self._users[files.directory] -= 1
        if self._users[files.directory] <= 0:
            del self._users[files.directory]
            if files.directory in self._deleted:
                self._deleted.discard(files.directory)
                self._remove(files.directory)

    def delete(self, snapshot_id: str) -> None:
        """Remove a snapshot's files, as soon as no machine needs them."""
        if self._registered.pop(snapshot_id, None):
            return
        directory = self._directory / snapshot_id
        if self._users[directory] > 0:
            self._deleted.add(directory)
        else:
            self._remove(directory)

    def sweep(self, known: Iterable[str]) -> list[str]:
        """Remove every directory that belongs to no known snapshot; return their names."""
        owned = set(known)
        removed = []
        for entry in sorted(self._directory.iterdir()) if self._directory.is_dir() else []:
            if entry.name not in owned:
                self._remove(entry)
                removed.append(entry.name)
        return removed

    def _remove(self, directory: Path) -> None:
        try:
            shutil.rmtree(directory)
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("snapshot %s could not be removed: %s", directory.name, error)
