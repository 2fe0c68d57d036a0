"""Verify: a fresh machine boots from the candidate and is looked at. No image is believed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from amikiln import checks, delivery, fleet_settings, inputs, recipe, temporary
from amikiln.guest import Guest, GuestCommandFailed
from amikiln.model import (
    TAG_VERDICT,
    TAG_VERDICT_HASH,
    CheckResult,
    Image,
    Outcome,
    Plan,
    Run,
    Verdict,
)
from amikiln.toolbox import Toolbox
from amikiln.undo import Undo

MARKS = {Outcome.PASS: "ok  ", Outcome.FAIL: "FAIL", Outcome.UNKNOWN: "??  "}


def verify(image: Image, plan: Plan, run: Run, tools: Toolbox) -> Verdict:
    """Boot an image on a machine of its own and carry out all checks.

    Args:
        image: The candidate.
        plan: What it was to become.
        run: Whose machine it is.
        tools: Where to boot it.

    Returns:
        The verdict, whatever it is; its result and its hash are tagged on the image.

    Raises:
        AmikilnError: The candidate did not boot, or nobody could log in.
    """
    with Undo(tools.report) as undo:
        machine = temporary.start(
            tools,
            plan,
            run,
            undo,
            purpose="verify",
            image_id=image.id,
            like_the_fleets=True,
        )
        results = tuple(_look(machine.guest, image, plan, tools))
    verdict = Verdict(image.id, image.digest, tools.cloud.region, run.id, results)
    tools.cloud.images.tag(
        image.id, {TAG_VERDICT: verdict.outcome, TAG_VERDICT_HASH: verdict.sha256}
    )
    return verdict


def _look(guest: Guest, image: Image, plan: Plan, tools: Toolbox) -> Iterator[CheckResult]:
    fleet_settings.apply(plan, guest)
    subject = checks.Subject(guest, plan, image.digest)
    if plan.digest != image.digest:
        subject = replace(subject, plan=_as_baked(subject))
    delivery.send_recipe(recipe.render(subject.plan), guest, tools)
    delivery.send_build(subject.plan, guest, tools)
    for check in checks.of(subject.plan):
        with tools.waiter.span(f"check {checks.name_of(check)}"):
            found = checks.carry_out(check, subject)
        result = replace(found, evidence=tools.masked(found.evidence))
        tools.report.line(described(result))
        yield result


def _as_baked(subject: checks.Subject) -> Plan:
    """Return the plan with the digests that its tags had at the bake, as the image names them.

    They are believed only if they lead to the digest that the image was tagged with: a check
    compares.
    """
    try:
        return inputs.as_baked(subject.plan, subject.manifest()["planned"])
    except (GuestCommandFailed, KeyError, TypeError, AttributeError, ValueError):
        # The checks will say what is wrong with its manifest.
        return subject.plan


def described(result: CheckResult) -> str:
    """Return a check's result in one line, and its hint if there is need for one."""
    line = f"{MARKS[result.outcome]} {result.name}: {result.evidence}"
    return line + (f" -- {result.hint}" if result.hint else "")
