"""Holds a file system still until stdin closes, or for five seconds.

A process of its own, which no machine's end and no end of the local cloud's takes along: a file
system that stays frozen keeps its loop device for ever, even if nobody has it mounted any more.

Started as a file, with the descriptor of a folder in the file system as its argument; writes a line
when the file system is frozen.
"""

import fcntl
import os
import select
import signal
import sys

LONGEST_SECONDS = 5.0
FROZEN = b"frozen\n"

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878  # linux/fs.h


def hold_still(folder: int) -> None:
    """Freeze, wait, and thaw."""
    fcntl.ioctl(folder, FIFREEZE, 0)
    try:
        os.write(1, FROZEN)
        select.select([0], [], [], LONGEST_SECONDS)
    finally:
        fcntl.ioctl(folder, FITHAW, 0)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    hold_still(int(sys.argv[1]))
