"""Makes the registry's images in a process of its own, while something else takes its time.

A process and not a thread, because it can be interrupted: it ends what it has started, and leaves
nothing half-made.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from amikiln.errors import AmikilnError, LocalCloudError
from amikiln.runtime.progress import Reporter


@contextmanager
def make_images_meanwhile(cache: Path, report: Reporter) -> Iterator[None]:
    """Make the images while the block runs; return when both are done.

    Raises:
        LocalCloudError: An image can neither be copied nor made.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", __name__, str(cache)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches us, who hand it on
    )
    said: list[str] = []

    def pass_on() -> None:
        with child.stdout or nullcontext(()) as lines:
            for line in lines:
                said.append(line.strip())
                report.line(said[-1])

    reader = threading.Thread(target=pass_on, daemon=True)
    reader.start()
    try:
        yield
        code = child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise
    finally:
        reader.join()
    if code:
        raise LocalCloudError(said[-1] if said else f"making images exited with {code}")


class LineReporter:
    """Writes one line for what begins and one for what ended, for another process to pass on."""

    def group(self, title: str) -> None:
        self.line(title)

    def line(self, text: str) -> None:
        print(text, flush=True)

    @contextmanager
    def status(self, text: str) -> Iterator[None]:
        began = time.monotonic()
        self.line(f"{text} ...")
        yield
        self.line(f"{text}: {time.monotonic() - began:.0f} s")


def main(cache: Path) -> None:
    """Make the images, and say why not where that fails."""
    from amikiln_localcloud.registry import content

    try:
        content.make_images(cache, LineReporter())
    except KeyboardInterrupt:
        sys.exit(1)
    except AmikilnError as error:
        print(error.what, flush=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    # Not SIGINT: what a shell starts in the background ignores that.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main(Path(sys.argv[1]))
