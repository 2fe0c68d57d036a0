"""Writes random blocks to a container machine's disk, from several threads, without a cache.

It is run in a mount namespace of its own. Arguments: the directory of a machine, and a seed. The
same seed gives the same blocks, so that the test knows what to find on the disk.
"""

from __future__ import annotations

import mmap
import os
import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SECTOR_BYTES = 4096
MOST_SECTORS = 32
THREADS = 8
BLOCKS_PER_THREAD = 400
STRIPE_BYTES = 64 * 1024**2


def blocks(seed: int, thread: int) -> Iterator[tuple[int, bytes]]:
    """Yield a thread's blocks in their order: where in the disk, and what; later ones overlap."""
    chosen = random.Random(f"{seed}/{thread}")  # noqa: S311  (to be repeated)
    sectors = STRIPE_BYTES // SECTOR_BYTES
    for _ in range(BLOCKS_PER_THREAD):
        length = chosen.randint(1, MOST_SECTORS)
        first = chosen.randrange(sectors - length)
        place = thread * STRIPE_BYTES + first * SECTOR_BYTES
        yield place, chosen.randbytes(length * SECTOR_BYTES)


def write(device: str, seed: int, thread: int) -> None:
    """Write a thread's blocks."""
    handle = os.open(device, os.O_WRONLY | os.O_DIRECT)
    # Memory of its own pages: O_DIRECT takes no other.
    with mmap.mmap(-1, MOST_SECTORS * SECTOR_BYTES) as page, memoryview(page) as view:
        for place, block in blocks(seed, thread):
            page[: len(block)] = block
            with view[: len(block)] as part:
                if os.pwrite(handle, part, place) != len(block):
                    raise OSError(f"a short write at {place}")
    os.fsync(handle)
    os.close(handle)


def main(directory: Path, seed: int) -> None:
    """Write all blocks through the whole chain, and end the chain in order."""
    from amikiln_localcloud.machines.container.storage import Storage

    storage = Storage(directory)
    device = storage.attach()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda thread: write(device.path, seed, thread), range(THREADS)))
    os.close(device.handle)
    storage.end()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
