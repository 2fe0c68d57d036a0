"""Every error that reaches a user: one line, a hint, an exit code.

The exit codes are part of the interface and documented in README.md. 255 is never
used: it is ssh's own, and a CI agent reads it as the loss of the agent.
"""

from __future__ import annotations

INTERRUPTED_EXIT_CODE = 130


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP: what was made is taken back, then the process ends with 130.

    Not a KeyboardInterrupt: the command line's library would answer that one itself.

    Args:
        left_behind: What a second one kept from being taken back.
    """

    def __init__(self, *left_behind: str) -> None:
        super().__init__(*left_behind)
        self.left_behind = left_behind


class AmikilnError(Exception):
    """A failure that is explained to the user in one line, without a traceback.

    Args:
        what: What failed, on which resource, and why.
        hint: What to do next.
    """

    exit_code = 1

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class SpecError(AmikilnError):
    """The spec, or a value given for one run, is not usable."""

    exit_code = 2


class PreflightError(AmikilnError):
    """Something that the run needs is missing; nothing was made yet."""

    exit_code = 3


class BakeError(AmikilnError):
    """No image came out of the bake."""

    exit_code = 4


class VerifyError(AmikilnError):
    """The image did not prove itself on a machine booted from it."""

    exit_code = 5


class PublishError(AmikilnError):
    """The pointer was not moved, or cannot be shown to have moved."""

    exit_code = 6


class RolloutError(AmikilnError):
    """Machines do not follow the published image."""

    exit_code = 7


class LeaseError(AmikilnError):
    """Another run holds this image's lease, or took it over."""

    exit_code = 8


class LocalCloudError(AmikilnError):
    """The local cloud cannot do what was asked of it."""

    exit_code = 9
