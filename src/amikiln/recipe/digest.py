"""What an image is made from, as one digest: equal inputs, equal digest.

The image's own manifest names what could have moved since; a later look at the image takes that
instead of what tags mean by then.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

from amikiln.model.canonical import canonical_json
from amikiln.model.plan import PinnedImage, Plan, SourceImage
from amikiln.recipe import render


def digested(plan: Plan) -> Plan:
    """Return a plan with the digest of its inputs."""
    checks = {f"checks/{name}": content for name, content in plan.own_checks.items()}
    inputs = {
        "spec": plan.spec.model_dump(mode="json"),
        "source": plan.source.id,
        "buildkit": plan.buildkit.digest,
        "images": [image.digest for image in plan.images],
        "context": plan.context.identity if plan.context is not None else None,
        "recipe": render.hash_files({**render.read_shipped_files(), **plan.own_steps, **checks}),
    }
    digest = hashlib.sha256(canonical_json(inputs).encode()).hexdigest()
    return dataclasses.replace(plan, digest=digest)


def as_baked(plan: Plan, planned: Mapping[str, Any]) -> Plan:
    """Return a plan of the same spec with the source, digests and commit of an earlier one.

    Its digest is the earlier one's if nothing else is different.

    Args:
        plan: The plan of today.
        planned: What ``render.describe_plan`` gave for the earlier one, out of the image.

    Raises:
        KeyError, TypeError, AttributeError: It is not of that form.
    """
    digests = {**planned["images"], plan.buildkit.reference: planned["buildkit"].partition("@")[2]}

    def pinned(image: PinnedImage) -> PinnedImage:
        return PinnedImage(image.reference, digests.get(image.reference, image.digest))

    context = plan.context
    if context is not None and context.repository is not None:
        context = dataclasses.replace(context, identity=planned["context"] or context.identity)
    return digested(
        dataclasses.replace(
            plan,
            source=SourceImage(planned["source"], plan.source.name, plan.source.root_device),
            buildkit=pinned(plan.buildkit),
            images=tuple(pinned(image) for image in plan.images),
            context=context,
        )
    )
