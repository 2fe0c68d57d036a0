"""Reads a verdict back from its file, strictly: what is read is what was written."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json as parsed_json

from amikiln.errors import PublishError, SpecError
from amikiln.model.canonical import canonical_json
from amikiln.model.image import Forced
from amikiln.model.verdict import Outcome, Verdict

ADAPTER = TypeAdapter(Verdict)


def load(path: Path) -> Verdict:
    """Read a verdict's file.

    Args:
        path: What ``amikiln verify`` or ``amikiln run`` kept.

    Raises:
        PublishError: The file is missing, or not a whole, unchanged verdict.
    """
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PublishError(
            f"cannot read the verdict {path}: {error.strerror or error}",
            hint="`amikiln verify` writes one",
        ) from error
    except ValueError as error:
        # What the file holds is quoted, and may hold line breaks.
        raise PublishError(
            f"{path} is not a verdict: {' '.join(str(error).split())}",
            hint="give the file as `amikiln verify` or `amikiln run` wrote it, or verify again",
        ) from error


def from_json(text: str) -> Verdict:
    """Read what ``Verdict.to_json`` wrote.

    Raises:
        ValueError: It is something else; one line says what. The hash is for publish to compare.
    """
    written = parsed_json(text, allow_inf_nan=False)
    if not isinstance(written, dict):
        raise ValueError("it is no JSON object")
    stated = written.pop("outcome", "missing")
    try:
        verdict = ADAPTER.validate_json(canonical_json(written))
    except ValidationError as error:
        raise ValueError(_first_fault(error)) from error
    if stated != verdict.outcome:
        raise ValueError(f"outcome is {stated}, and its checks make it {verdict.outcome}")
    # Fields with a default have to be there too: nothing is made up when reading.
    if canonical_json({**written, "outcome": Outcome(stated)}) + "\n" != verdict.to_json():
        raise ValueError("it lacks fields that a verdict has, or holds other kinds of values")
    return verdict


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    return f"{key}: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def proof_of(ami: str, verdict: Path | None, force: bool, reason: str | None) -> Verdict | Forced:
    """Return what is to allow the publishing: a verdict, or a reason, never both."""
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
        return load(verdict)
    try:
        return Forced(ami, reason or "")
    except ValueError as error:
        raise SpecError(
            f"--reason: {error}", hint="say in one line why no proof is needed"
        ) from error
