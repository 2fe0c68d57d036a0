"""Two digests of a plan: of what enters the image's disk, and of what verify has to prove.

Images with the same disk digest hold the same, so one of them makes baking the others needless. A
verdict counts as long as today's proof digest is the verdict's.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

from amikiln.model.canonical import canonical_json
from amikiln.model.plan import Context, PinnedImage, Plan
from amikiln.recipe import render
from amikiln.spec.machine import Deadlines
from amikiln.spec.spec import Spec
from amikiln.version import __version__

ONLY_FOR_CHECKS = (
    "as-job.sh",
    "check-checkout.sh",
    "check-jobs.sh",
    "check-warm.sh",
    "fleet.sh",
    "pruners.sh",
)
"""The recipe's files that no step runs: they are of the proof."""


def add_digests(plan: Plan) -> Plan:
    """Return a plan with both of its digests."""
    return dataclasses.replace(
        plan, digest=_hash_disk(plan), proof_digest=hash_proof(plan.spec, plan.own_checks)
    )


def _hash_disk(plan: Plan) -> str:
    """Return the SHA-256 of what enters the disk: the recipe as rendered, and what it works on."""
    spec = plan.spec
    if spec.warm is not None:
        # How often the build is tried leaves no trace.
        spec = spec.model_copy(update={"warm": spec.warm.model_copy(update={"attempts": 1})})
    # Nor does how long each try may take.
    spec = spec.model_copy(update={"deadlines": Deadlines()})
    recipe = render.render_recipe(dataclasses.replace(plan, spec=spec, digest="")).files
    inputs = {
        "source": plan.source.id,
        "volume": spec.volume.model_dump(mode="json"),
        "context": _describe_context(plan.context) if plan.context is not None else None,
        "recipe": render.hash_files(
            {path: content for path, content in recipe.items() if path not in ONLY_FOR_CHECKS}
        ),
    }
    return hashlib.sha256(canonical_json(inputs).encode()).hexdigest()


def _describe_context(context: Context) -> list[str]:
    # A commit holds many folders; the identity of a folder on this machine is its content's.
    folder = context.folder.as_posix() if context.repository is not None else ""
    return [context.identity, folder, *(["with submodules"] if context.submodules else [])]


def hash_proof(spec: Spec, own_checks: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of what verify proves: the checks, their bounds, and the machine.

    Args:
        spec: Says what is required, and what the machine is like.
        own_checks: The user's checks, by their names.
    """
    shipped = render.read_shipped_files()
    # No check runs a step. What else is shipped may be run by one, or be a part of what it runs.
    scripts = {path: text for path, text in shipped.items() if not path.startswith("steps/")}
    sources = _read_checks()
    own = {f"own/{name}": content for name, content in own_checks.items()}
    groups = {"auto_scaling_groups", "stacks", "group_tags"}
    machine = spec.fleet.model_dump(mode="json", exclude=groups)
    machine["elastic_stack"] = spec.is_for_elastic_stack
    inputs = {
        "amikiln": __version__,
        "checks": render.hash_files({**scripts, **sources, **own}),
        "verify": spec.verify.model_dump(mode="json"),
        "secrets": spec.secrets.model_dump(mode="json"),
        "not asked": sorted(spec.not_asked),
        "machine": machine | {"instance_types": spec.fleet.instance_types or spec.instance.types},
    }
    return hashlib.sha256(canonical_json(inputs).encode()).hexdigest()


def hash_recipe() -> str:
    """Return the SHA-256 of all steps and checks that this version of amikiln brings."""
    return render.hash_files({**render.read_shipped_files(), **_read_checks()})


def restore_inputs(plan: Plan, planned: Mapping[str, Any]) -> Plan:
    """Return a plan of the same spec with the source, digests and commit of an earlier one.

    Tags and branches may have moved since. The result has the earlier plan's disk digest if nothing
    else is different.

    Args:
        plan: The plan of today.
        planned: What ``render.describe_plan`` returned for the earlier one, read from the image.

    Raises:
        KeyError, TypeError, AttributeError: It is not of that form.
    """
    digests = {**planned["images"], plan.buildkit.reference: planned["buildkit"].partition("@")[2]}

    def pin(image: PinnedImage) -> PinnedImage:
        return PinnedImage(image.reference, digests.get(image.reference, image.digest))

    context = plan.context
    if context is not None and context.repository is not None:
        context = dataclasses.replace(context, identity=planned["context"] or context.identity)
    return add_digests(
        dataclasses.replace(
            plan,
            source=dataclasses.replace(plan.source, id=planned["source"]),
            buildkit=pin(plan.buildkit),
            images=tuple(pin(image) for image in plan.images),
            context=context,
        )
    )


def _read_checks() -> dict[str, bytes]:
    return dict(_read_sources(resources.files("amikiln") / "verify", "verify/"))


def _read_sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read_sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py"):
            yield prefix + entry.name, entry.read_bytes()
