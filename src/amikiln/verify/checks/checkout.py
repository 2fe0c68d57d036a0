"""The warm build from another checkout of the same commit, as an agent makes one for each job.

Its files have other times, and its ``.git`` is another one. BuildKit looks at names, modes and
content, so what reads no ``.git`` has to be a hit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from amikiln.model.plan import Plan
from amikiln.recipe.paths import RECIPE_DIRECTORY
from amikiln.spec import timing
from amikiln.spec.content import COMMIT_PLACE
from amikiln.verify.build_log import Step, find_lost, read_steps
from amikiln.verify.checks.finding import Finding, Subject, failed, passed, unknown

SHOWN_STEPS = 5
ENDED = re.compile(r"ended (\w+) (\d+)")
USUAL_UMASK = 0o022
READS_CONTEXT = re.compile(r"\] (COPY|ADD) (?!--from)|--mount=type=bind(?![^ ]*from=)")


def has_other_checkouts(plan: Plan) -> bool:
    """Return whether jobs build from checkouts of their own: a folder here has no commit."""
    return plan.context is not None and plan.context.repository is not None


def checkouts_match(subject: Subject) -> Finding:
    """A job's own checkout of the commit finds the same steps in the cache."""
    builds, umask = _read_builds(
        subject.ask(
            f"cd {RECIPE_DIRECTORY} && CHECKOUT_SECONDS={timing.CHECKOUT_BUILD_SECONDS}"
            " exec sh -eu check-checkout.sh",
            timeout_seconds=timing.limit_checkout_builds(subject.plan.spec),
        )
    )
    before = [step for step in builds["same"] if step.cached]
    if not before:
        return unknown(
            "the build from the bake's own checkout finds nothing in the cache",
            "see builds-are-warm",
        )
    lost = find_lost(before, builds["checkout"])
    kept = [step for step in before if step not in lost]
    of_commit = find_lost(kept, builds["commit"]) if "commit" in builds else []
    share = len(kept) / len(before)
    evidence = (
        f"from another checkout of the commit, with other times and another .git, {len(kept)} of"
        f" {len(before)} steps are hits"
    )
    if lost:
        reason = "they read .git, which is another in each checkout, or follow one that does"
        if umask != USUAL_UMASK:
            reason = f"files have other modes, since the umask of jobs is {umask:04o}, not 0022"
        evidence += f"; no job finds these, for {reason}: {_list_names(lost)}"
    if of_commit:
        evidence += (
            f"; only jobs of this very commit find these, for they take {COMMIT_PLACE}, or follow"
            f" one that does: {_list_names(of_commit)}"
        )
    context = subject.plan.context
    if context is not None and context.lfs_pointers:
        evidence += (
            f"; {context.lfs_pointers} files are git-lfs pointers here: where agents have git-lfs,"
            " jobs find no step that reads them"
        )
    figures = {"steps": len(before), "hits": len(kept), "of_this_commit": len(of_commit)}
    minimum = subject.plan.spec.verify.minimum_checkout_hit_share
    if share >= minimum:
        return passed(evidence, figures)
    hint = "put .git into .dockerignore, or copy and mount only what the step needs"
    if umask != USUAL_UMASK:
        hint = "let the agent's unit have UMask=0022"
    return failed(
        f"{evidence}; wanted: hits {minimum:.0%}",
        f"{hint}; or say with verify.minimum_checkout_hit_share how many have to be hits",
        figures,
    )


def _read_builds(output: str) -> tuple[dict[str, tuple[Step, ...]], int]:
    """Return the steps of each build that check-checkout.sh reports, and the umask of jobs.

    Raises:
        ValueError: The report is incomplete.
    """
    builds: dict[str, tuple[Step, ...]] = {}
    reported: list[str] = []
    *lines, umask = output.splitlines() or [""]
    for line in lines:
        if ended := ENDED.fullmatch(line):
            builds[ended[1]] = read_steps("\n".join(reported))
            reported = []
        else:
            reported.append(line)
    if reported or not {"same", "checkout"} <= builds.keys():
        raise ValueError("the report of the builds is incomplete")
    return builds, int(umask, 8)


def _list_names(steps: Sequence[Step]) -> str:
    """Return the steps' names, those that read the context first."""
    ordered = sorted(steps, key=lambda step: not READS_CONTEXT.search(step.name))
    shown = [step.name for step in ordered[:SHOWN_STEPS]]
    if len(ordered) > SHOWN_STEPS:
        shown.append(f"and {len(ordered) - SHOWN_STEPS} more")
    return "; ".join(shown)
