"""What is in the image: its manifest, and the container images."""

from __future__ import annotations

import shlex

from amikiln.model.canonical import canonical_json
from amikiln.recipe import render
from amikiln.recipe.paths import MANIFEST
from amikiln.verify.checks.finding import Finding, Subject, compare, failed, passed


def manifest_as_planned(subject: Subject) -> Finding:
    """The image's manifest names what was planned, and its tag the planned digest."""
    found, wanted = subject.read_manifest().get("planned"), render.describe_plan(subject.plan)
    if found != wanted:
        return compare([canonical_json(found)], [canonical_json(wanted)], "manifest")
    if subject.image_digest != subject.plan.digest:
        return compare([subject.image_digest], [subject.plan.digest], "digest on the image's tag")
    return passed(f"{MANIFEST} names the inputs {subject.plan.digest}")


def images_present(subject: Subject) -> Finding:
    """Every listed image is there, under its tag, with the planned digest."""
    missing = []
    for image in subject.plan.images:
        digests = subject.ask(
            "docker image inspect --format '{{json .RepoDigests}}'"
            f" {shlex.quote(image.reference)} || true"
        )
        if image.digest not in digests:
            missing.append(f"{image.by_digest} (there: {digests or 'nothing'})")
    if missing:
        return failed("missing: " + ", ".join(missing), "see the bake's 40-images step")
    return passed(f"{len(subject.plan.images)} images, each by digest")
