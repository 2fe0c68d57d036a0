"""What allows an image to be published: a verdict read from its file, or a reason instead."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from amikiln.errors import PublishError, SpecError
from amikiln.model.image import ForceReason
from amikiln.model.strict import describe_first
from amikiln.model.verdict import ADAPTER, VerdictFile


def read_verdict(path: Path) -> VerdictFile:
    """Read a verdict's file, strictly: unknown and missing fields are refused.

    Whether it is unchanged is for publish to say: it compares the hash with the image's tag.

    Args:
        path: The file that ``amikiln verify`` or ``amikiln run`` wrote.

    Raises:
        PublishError: The file is missing, or is not a verdict.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PublishError(
            f"cannot read the verdict {path}: {error.strerror or error}",
            hint="`amikiln verify` writes one",
        ) from error
    try:
        return VerdictFile(ADAPTER.validate_json(content), content)
    except ValidationError as error:
        raise PublishError(
            f"{path} is not a verdict: {describe_first(error)}",
            hint="give the file as `amikiln verify` or `amikiln run` wrote it, or verify again",
        ) from error


def choose_proof(
    ami: str, verdict: Path | None, force: bool, reason: str | None
) -> VerdictFile | ForceReason:
    """Return what is to allow the publishing: a verdict or a reason, never both.

    Args:
        ami: The image to publish.
        verdict: The file that ``--verdict`` names.
        force: Whether ``--force`` was given.
        reason: The text of ``--reason``.

    Raises:
        SpecError: The options contradict each other, or the reason is not one line of text.
        PublishError: The verdict cannot be read.
    """
    if force != (reason is not None):
        given, missing = ("--force", "--reason") if force else ("--reason", "--force")
        raise SpecError(
            f"{given} without {missing}", hint='to publish without proof: --force --reason "WHY"'
        )
    if (verdict is None) != force:
        raise SpecError(
            "give either --verdict FILE or --force --reason TEXT",
            hint="`amikiln verify` and `amikiln run` write the file",
        )
    if verdict is not None:
        return read_verdict(verdict)
    try:
        return ForceReason(ami, reason or "")
    except ValueError as error:
        raise SpecError(
            f"--reason: {error}", hint="say in one line why no proof is needed"
        ) from error
