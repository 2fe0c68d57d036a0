"""A plan as a file: it is reviewed, kept, and used by several runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from amikiln.model.plan import Origin, Plan

FORMAT_VERSION = 1
"""Raised by every change of the file's keys or of what they mean."""
VERSION_KEY = "format_version"
SEAL_KEY = "contents_sha256"
DESCRIPTIONS = {
    VERSION_KEY: "The version of this format: a plan of another one is refused.",
    SEAL_KEY: "SHA-256 of the file without this key: a plan that was edited is refused.",
}
ADAPTER = TypeAdapter(Plan)


@dataclasses.dataclass(frozen=True)
class PlanFile:
    """A plan's file as it was read: whole and unchanged, but not compared with anything yet.

    Attributes:
        path: Where it was read from.
        origin: From what, when and for which cloud it was made.
        fields: The plan's fields, as JSON.
        content: The file's bytes.
    """

    path: Path
    origin: Origin
    fields: Mapping[str, Any]
    content: bytes

    @property
    def sha256(self) -> str:
        """The file's hash, as ``sha256sum`` prints it; verdicts name it."""
        return hashlib.sha256(self.content).hexdigest()

    def describe(self) -> str:
        """Return which plan it is, in a line."""
        return f"plan {self.path} of {self.origin.planned_at}, SHA-256 {self.sha256}"


def serialize(plan: Plan) -> bytes:
    """Return the plan's file: JSON with its keys in a fixed order.

    It holds nothing that belongs to the machine where it was planned: neither its public address,
    nor where its folders are.
    """
    context = plan.context
    if context is not None and context.repository is None and plan.spec.warm is not None:
        context = dataclasses.replace(context, folder=Path(plan.spec.warm.context))
    network = dataclasses.replace(plan.network, ssh_from=plan.spec.instance.ssh_from)
    portable = dataclasses.replace(plan, context=context, network=network)
    return seal({VERSION_KEY: FORMAT_VERSION, **ADAPTER.dump_python(portable, mode="json")})


def hash_plan(plan: Plan) -> str:
    """Return the SHA-256 of the plan's file, whether it was written or not."""
    return hashlib.sha256(serialize(plan)).hexdigest()


def seal(fields: Mapping[str, Any]) -> bytes:
    """Return these fields as a file that ends with the hash of all that is before it."""
    inner = hashlib.sha256(_render(fields)).hexdigest()
    return _render({**fields, SEAL_KEY: inner})


def _render(fields: Mapping[str, Any]) -> bytes:
    text = json.dumps(fields, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A path need not be text: what is not becomes an escape, as JSON has them.
    return text.encode(errors="backslashreplace")
