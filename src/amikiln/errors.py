"""The errors that users see: what failed, what to do next, and the exit code.

The exit codes are part of the interface: the documentation lists them. 255 is never used: ssh
exits with it, and a CI agent takes it for the loss of the agent.
"""

from __future__ import annotations

INTERRUPTED_EXIT_CODE = 130


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP: what was made is removed, then the process exits with 130.

    Not a KeyboardInterrupt, which the command line's library would handle itself.

    Args:
        left_behind: What was not removed, because a second interrupt came meanwhile.
    """

    def __init__(self, *left_behind: str) -> None:
        super().__init__(*left_behind)
        self.left_behind = left_behind


class AmikilnError(Exception):
    """A failure that is explained to the user without a traceback.

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
    """Something that the run needs is missing; nothing has been made yet."""

    exit_code = 3


class BakeError(AmikilnError):
    """The bake made no image."""

    exit_code = 4


class VerifyError(AmikilnError):
    """The image did not pass on a machine booted from it."""

    exit_code = 5


class PublishError(AmikilnError):
    """The pointer was not moved, or it cannot be confirmed that it was."""

    exit_code = 6


class RolloutError(AmikilnError):
    """The fleet does not follow the pointer."""

    exit_code = 7


class LeaseError(AmikilnError):
    """Another run of the same image holds its lease, or took it over."""

    exit_code = 8


class LocalCloudError(AmikilnError):
    """The local cloud cannot do what it was asked to do."""

    exit_code = 9
