"""Bake: finished images are taken up, failed machines can be kept, own steps run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from amikiln.aws.images import ImageRecord
from amikiln.catalog.tags import TAG_DIGEST, TAG_KEPT, TAG_PROOF
from amikiln.errors import BakeError, Interrupted, VerifyError
from amikiln.runtime.guest import GuestUnreachable
from fakes import fail_on, spec
from harness import NOTHING, Harness


def fail_verify(harness: Harness) -> None:
    """Let the machine of verify be lost, after the bake finished."""

    def refuse(command: str) -> None:
        if "is-system-running" in command:
            raise GuestUnreachable("lost the machine")

    harness.script.refuse = refuse


def test_a_finished_image_is_taken_up_by_the_next_run(harness: Harness) -> None:
    fail_verify(harness)
    with pytest.raises(Exception, match="lost the machine"):
        harness.run()
    (finished,) = harness.holdings()["images"]
    harness.script.refuse = lambda command: None
    harness.script.asked.clear()
    done = harness.run()
    assert done.image.id == finished
    assert harness.pointer() == finished
    assert not [asked for asked in harness.script.asked if "steps/" in asked]


def test_an_image_of_other_inputs_is_not_taken_up_and_stays(
    harness: Harness,
) -> None:
    fail_verify(harness)
    with pytest.raises(Exception, match="lost the machine"):
        harness.run()
    (finished,) = harness.holdings()["images"]
    harness.script.refuse = lambda command: None
    done = harness.run(spec(volume={"size_gib": 13}))
    assert sorted(harness.holdings()["images"]) == sorted([done.image.id, finished])
    assert done.image.id != finished


def test_a_kept_machine_stays_with_the_words_to_get_in_and_rid_of_it(harness: Harness) -> None:
    harness.script.refuse = fail_on("30-builder")
    with pytest.raises(BakeError):
        harness.run(keep_on_error=True)
    (instance_id,) = harness.holdings()["instances"]
    said = "\n".join(harness.report.said)
    assert f"kept {instance_id}" in said
    assert "ssh -i " in said
    assert f"terminate-instances --region us-east-1 --instance-ids {instance_id}" in said
    assert "systemctl stop amikiln-end.timer" in harness.script.asked

    harness.script.refuse = lambda command: None
    harness.run()
    left = harness.holdings()
    assert left["instances"] == [instance_id]
    assert (len(left["keys"]), len(left["groups"])) == (1, 1)
    tags = harness.ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]
    assert TAG_KEPT in [tag["Key"] for tag in tags["Instances"][0]["Tags"]]

    harness.ec2.terminate_instances(InstanceIds=[instance_id])
    harness.run()
    assert harness.holdings() | {"images": [], "snapshots": []} == NOTHING


def test_a_machine_that_nobody_can_log_in_to_shows_its_console(harness: Harness) -> None:
    harness.script.knocks_before_answer = 1_000_000
    wanted = spec(deadlines={"boot_seconds": 1})
    with pytest.raises(BakeError, match="ssh's last words: Connection refused") as caught:
        harness.run(wanted)
    assert "its console's last lines:\nbooted i-" in caught.value.what
    assert harness.holdings() == NOTHING


def write_check(harness: Harness) -> None:
    """Ask for more than before of the same disk."""
    (harness.folder / "checks").mkdir()
    (harness.folder / "checks" / "models.sh").write_text("echo all there\n")


def test_the_same_disk_with_something_else_to_prove_is_verified_anew_and_not_baked_anew(
    harness: Harness,
) -> None:
    first = harness.run()
    write_check(harness)
    harness.script.asked.clear()
    second = harness.run()
    assert second.image.id == first.image.id
    assert second.plan.digest == first.plan.digest
    assert second.plan.proof_digest != first.plan.proof_digest
    assert not [asked for asked in harness.script.asked if "steps/" in asked]
    assert second.verdict is not None
    assert "own-models" in [check.name for check in second.verdict.checks]
    assert harness.holdings()["images"] == [first.image.id]
    assert harness.run().skipped == ("bake", "verify", "publish")


def test_a_deadline_or_a_schedule_changes_nothing(harness: Harness) -> None:
    first = harness.run()
    second = harness.run(spec(deadlines={"step_seconds": 77}, schedule="7 7 * * *"))
    assert second.skipped == ("bake", "verify", "publish")
    assert second.image.id == first.image.id


def test_an_image_that_failed_is_verified_anew_when_something_else_has_to_be_proven(
    harness: Harness,
) -> None:
    harness.script.free_inodes = 5
    with pytest.raises(VerifyError, match="room-on-disk"):
        harness.run()
    (failed,) = harness.holdings()["images"]
    harness.script.asked.clear()
    done = harness.run(spec(verify={"minimum_free_inodes": 5}))
    assert done.image.id == harness.pointer() == failed
    assert not [asked for asked in harness.script.asked if "steps/" in asked]


def test_an_image_that_fails_what_is_asked_for_now_stays_published_and_is_baked_anew(
    harness: Harness,
) -> None:
    first = harness.run()
    write_check(harness)
    harness.script.refuse = fail_on("sh -eu -s")
    with pytest.raises(VerifyError, match="own-models"):
        harness.run()
    assert harness.pointer() == first.image.id
    harness.script.refuse = lambda command: None
    second = harness.run()
    assert second.image.id != first.image.id
    assert harness.pointer() == second.image.id


def test_an_old_image_with_something_else_to_prove_is_baked_anew(harness: Harness) -> None:
    first = harness.run()
    write_check(harness)
    second = harness.run(spec(max_age_hours=0))
    assert second.image.id != first.image.id


def test_an_image_of_the_former_single_digest_is_never_used_for_a_plan_and_stays(
    harness: Harness,
) -> None:
    former = harness.run().image.id
    harness.session.cloud.images.tag(former, {TAG_DIGEST: "f" * 64})
    harness.ec2.delete_tags(Resources=[former], Tags=[{"Key": TAG_PROOF}])
    second = harness.run()
    assert second.image.id != former
    assert second.published.previous_image_id == former
    assert sorted(harness.holdings()["images"]) == sorted([former, second.image.id])


@pytest.mark.parametrize(("machine", "warned"), [("systemd-nspawn", True), ("amazon", False)])
def test_a_step_that_looks_at_the_kernel_is_warned_about_in_a_container(
    machine: str, warned: bool, harness: Harness
) -> None:
    (harness.folder / "steps").mkdir()
    (harness.folder / "steps" / "after-docker-driver.sh").write_text("modprobe driver\n")
    (harness.folder / "steps" / "before-seal-other.sh").write_text("echo no kernel\n")
    harness.script.machine = machine
    harness.run()
    warnings = [line for line in harness.report.said if line.startswith("warning: ")]
    line = (
        "warning: steps/15-after-docker-driver.sh looks at the kernel, which in a container"
        " (systemd-nspawn) is the host's"
    )
    assert warnings == ([line] if warned else [])


class ExpiredLook(Exception):
    """Credentials that ended while an image was written."""


@pytest.mark.parametrize("why", ["ctrl-c", "deadline", "an error of ours"])
def test_an_image_that_ec2_began_is_kept_and_taken_up(harness: Harness, why: str) -> None:
    harness.hypervisor.hold("save")
    looks = 0

    def interrupt(model: Any, **other: Any) -> None:
        nonlocal looks
        if model.name == "CreateImage":
            looks = 1
        elif model.name == "DescribeImages" and looks == 1:
            looks = 2
            raise Interrupted if why == "ctrl-c" else ExpiredLook

    events = harness.clients()[0].meta.events
    if why != "deadline":
        events.register("before-call.ec2.*", interrupt)
    wanted = spec(deadlines={"image_seconds": 1}) if why == "deadline" else spec()
    with pytest.raises((Interrupted, ExpiredLook, BakeError)):
        harness.run(wanted)
    events.unregister("before-call.ec2.*", interrupt)
    held = harness.holdings()
    (image,), (machine,) = held["images"], held["instances"]
    assert harness.ec2.describe_images(ImageIds=[image])["Images"][0]["State"] == "pending"
    assert f"image {image} is still being written, and is kept" in harness.report.read()
    assert held["keys"] == []

    harness.hypervisor.release("save")
    since = len(harness.script.asked)
    done = harness.run()
    assert done.image.id == image == harness.pointer()
    assert not [asked for asked in harness.script.asked[since:] if "steps/" in asked], "no bake"
    assert harness.holdings() | {"images": [], "snapshots": []} == NOTHING, machine


def test_an_image_that_ec2_could_not_write_is_removed_and_the_next_run_bakes(
    harness: Harness,
) -> None:
    harness.hypervisor.fail_next("save", "no space left")
    with pytest.raises(BakeError, match="no space left"):
        harness.run()
    assert harness.holdings() == NOTHING
    assert harness.run().image.id


def test_where_an_image_that_was_to_be_taken_up_fails_another_is_baked(harness: Harness) -> None:
    fail_verify(harness)
    with pytest.raises(Exception, match="lost the machine"):
        harness.run()
    (finished,) = harness.holdings()["images"]
    harness.script.refuse = lambda command: None
    image = harness.cloud.backend.amis[finished]
    image.state = "pending"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness.session.cloud.images, "get", fail_image(harness, finished))
        done = harness.run()
    assert done.image.id != finished
    assert f"image {finished} is failed: it broke: another is baked" in harness.report.said


def fail_image(harness: Harness, image_id: str) -> Callable[[str], ImageRecord | None]:
    get = harness.session.cloud.images.get

    def get_failed(asked: str) -> ImageRecord | None:
        found = get(asked)
        if found is None or asked != image_id:
            return found
        return dataclasses.replace(found, state="failed", reason="it broke")

    return get_failed


def test_an_image_has_the_root_volume_alone_and_nothing_of_it_is_changed(harness: Harness) -> None:
    asked: list[dict[str, Any]] = []
    harness.clients()[0].meta.events.register(
        "provide-client-params.ec2.CreateImage", lambda params, **other: asked.append(params)
    )
    get = harness.session.cloud.images.get
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            harness.session.cloud.images,
            "get",
            lambda image_id: (
                dataclasses.replace(found, devices=(*found.devices, "/dev/sdb", "/dev/sdc"))
                if (found := get(image_id))
                else None
            ),
        )
        harness.run()
    assert asked[0]["BlockDeviceMappings"] == [
        {"DeviceName": "/dev/sda1", "Ebs": {"DeleteOnTermination": True}},
        {"DeviceName": "/dev/sdb", "NoDevice": ""},
        {"DeviceName": "/dev/sdc", "NoDevice": ""},
    ]
