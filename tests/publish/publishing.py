"""Publishes in the harness's account."""

from __future__ import annotations

from typing import Any

from amikiln.catalog import lease
from amikiln.model.image import ForceReason, Image
from amikiln.model.verdict import VerdictFile
from amikiln.publish.publish import publish
from amikiln.recipe.digest import hash_proof
from fakes import spec
from harness import Harness


def publish_it(
    harness: Harness, our_lease: lease.Lease, image: Image, proof: VerdictFile | ForceReason
) -> Any:
    return publish(proof, image, spec(), hash_proof(spec(), {}), our_lease, harness.session)


def tags_of(harness: Harness, image: Image) -> dict[str, str]:
    (found,) = harness.ec2.describe_images(ImageIds=[image.id])["Images"]
    return {tag["Key"]: tag["Value"] for tag in found["Tags"]}
