"""What is in the image: its manifest, and the container images."""

from __future__ import annotations

import shlex

from amikiln.model.canonical import canonical_json
from amikiln.model.verdict import Outcome
from amikiln.recipe import render
from amikiln.verify.checks.finding import Finding, Subject, compared


def manifest_as_planned(subject: Subject) -> Finding:
    """The image says of itself what was planned, and was tagged with the planned digest."""
    found, wanted = subject.manifest().get("planned"), render.describe_plan(subject.plan)
    if found != wanted:
        return compared([canonical_json(found)], [canonical_json(wanted)], "manifest")
    if subject.image_digest != subject.plan.digest:
        return compared([subject.image_digest], [subject.plan.digest], "digest on the image's tag")
    return Outcome.PASS, f"/etc/amikiln/manifest.json names the inputs {subject.plan.digest}", ""


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
        return Outcome.FAIL, "missing: " + ", ".join(missing), "see the bake's 40-images step"
    return Outcome.PASS, f"{len(subject.plan.images)} images, each by digest", ""
