"""An image whose /boot changed, verified in a container: it is booted once where a kernel boots.

A container shares its host's kernel, and shows nothing of what is in /boot.
"""

from __future__ import annotations

from dataclasses import replace

from amikiln.catalog.tags import tags_that_ask_for_a_kernel
from amikiln.errors import AmikilnError
from amikiln.machine import instance, upload
from amikiln.machine.virtualization import describe_machine, detect_machine, is_container
from amikiln.model.image import Image
from amikiln.model.run import Run
from amikiln.recipe.render import render_recipe
from amikiln.runtime.cleanup import Undo
from amikiln.runtime.guest import GuestCommandFailed, GuestUnreachable
from amikiln.session import Session
from amikiln.verify.checks.finding import KernelBoot, Subject


def boot_kernel_if_changed(
    subject: Subject, image: Image, run: Run, session: Session
) -> KernelBoot | None:
    """Boot the image once more where the machine that is checked does not show what /boot does.

    Args:
        subject: The machine that is checked, and the plan of its image.
        image: The image.
        run: The run that the other machine belongs to.
        session: Where to boot it.

    Returns:
        How that went; None where there is no need: the machine booted the kernel itself, or /boot
        is the source image's.
    """
    if not is_container(subject.machine) or not _has_new_boot(subject):
        return None
    session.report.line("the bake changed /boot: the image is booted where its kernel boots")
    request = subject.plan.request_verify_machine(image.id)
    tags = {**request.own_tags, **tags_that_ask_for_a_kernel()}
    request = replace(request, purpose="boot", own_tags=tags)
    deadlines = subject.plan.spec.deadlines
    boot = KernelBoot(is_known=False)
    try:
        with Undo(session.report) as undo:
            guest = instance.start(session, request, run, undo).guest
            upload.send_recipe(
                render_recipe(subject.plan),
                guest,
                session,
                deadlines.step_seconds,
            )
            ask = "systemctl is-system-running --wait || true"
            state = guest.run(ask, timeout_seconds=deadlines.boot_seconds).strip()
            machine = detect_machine(guest)
            boot = KernelBoot(machine, state)
            if is_container(machine):
                boot = replace(boot, trouble=describe_machine(machine), is_known=False)
    except (GuestUnreachable, GuestCommandFailed) as error:
        boot = KernelBoot(trouble=error.what)
    except AmikilnError as error:
        boot = KernelBoot(trouble=error.what, is_known=False)
    session.report.line(f"its kernel: {boot.trouble or f'{boot.state} on {boot.machine}'}")
    return boot


def _has_new_boot(subject: Subject) -> bool:
    try:
        return bool(subject.read_manifest().get("boot_changed"))
    except (GuestCommandFailed, ValueError):
        return False  # a check says what is wrong with the manifest
