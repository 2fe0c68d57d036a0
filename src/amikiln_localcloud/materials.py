"""What a local cloud needs and takes minutes to make, once: its base image, and images to pull."""

from __future__ import annotations

from amikiln.runtime.progress import Reporter
from amikiln_localcloud.home import Home
from amikiln_localcloud.machines.base_image import ensure_base
from amikiln_localcloud.machines.contract import SnapshotFiles
from amikiln_localcloud.registry.ahead import make_images_meanwhile


def make_materials(home: Home, report: Reporter) -> SnapshotFiles:
    """Return the base image; a cloud without a registry yet gets its images made at the same time.

    Raises:
        LocalCloudError: Something cannot be made.
    """
    if home.registry.exists():
        return ensure_base(home.cache, report)
    with make_images_meanwhile(home.cache, report):
        return ensure_base(home.cache, report)
