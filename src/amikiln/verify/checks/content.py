"""What is in the image: its manifest, and the container images."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from amikiln.model.canonical import canonical_json
from amikiln.recipe import render
from amikiln.recipe.paths import MANIFEST
from amikiln.verify.checks.finding import Finding, Subject, compare, failed, passed

UNUSABLE = "unusable: "
DOCKER_HINT = "is the user of the agent's unit in the group docker? see 20-owner in the bake's log"


def manifest_as_planned(subject: Subject) -> Finding:
    """The image's manifest names what was planned, and its tag the planned digest."""
    found, wanted = subject.read_manifest().get("planned"), render.describe_plan(subject.plan)
    if found != wanted:
        return compare([canonical_json(found)], [canonical_json(wanted)], "manifest")
    if subject.image_digest != subject.plan.digest:
        return compare([subject.image_digest], [subject.plan.digest], "digest on the image's tag")
    return passed(f"{MANIFEST} names the inputs {subject.plan.digest}")


def images_present(subject: Subject) -> Finding:
    """Jobs have every listed image, under its tag, with the planned digest."""
    images = subject.plan.images
    answer = subject.ask_job(_render_look([image.reference for image in images]))
    if answer.startswith(UNUSABLE):
        return failed(f"jobs cannot use Docker: {answer.removeprefix(UNUSABLE)}", DOCKER_HINT)
    missing = [
        f"{image.by_digest} ({there})"
        for image, there in zip(images, answer.splitlines(), strict=True)
        if image.digest not in there
    ]
    if missing:
        return failed("missing: " + ", ".join(missing), "see the bake's 40-images step")
    if not images:
        return passed("docker.images lists none; jobs can use Docker")
    return passed(f"{len(images)} images, each by digest")


def _render_look(references: Iterable[str]) -> str:
    """Return a job's command that prints a line for each image, or why it cannot use Docker."""
    look = "docker image inspect --format '{{json .RepoDigests}}'"
    return f'said=$(docker version 2>&1) || {{ echo "{UNUSABLE}$said"; exit 0; }}\n' + "".join(
        f'echo "there: $({look} {shlex.quote(reference)} | tr -d "\\n")"\n'
        for reference in references
    )
