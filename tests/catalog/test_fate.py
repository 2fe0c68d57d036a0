"""What is said of an image whose run failed is what then becomes of it."""

from __future__ import annotations

import pytest

from amikiln import pipeline
from amikiln.catalog.fate import describe_fate
from amikiln.catalog.states import FATES, ImageState
from amikiln.errors import AmikilnError, Interrupted, VerifyError
from fakes import fail_on, spec
from harness import Harness


def test_every_state_has_a_fate() -> None:
    assert set(FATES) == set(ImageState)


def test_an_image_that_failed_stays_by_its_id_until_the_next_run(harness: Harness) -> None:
    harness.script.owner_builder = "default"
    with pytest.raises(VerifyError) as caught:
        harness.run()
    (failed,) = harness.holdings()["images"]
    assert f"{failed} stays for you to look at until the next `amikiln run`" in str(
        caught.value.hint
    )
    harness.script.owner_builder = "baked-vllm-builder"
    assert harness.run().image.id != failed
    assert failed not in harness.holdings()["images"]
    assert describe_fate(failed, spec(), harness.session) == f"{failed} is gone"


@pytest.mark.parametrize("error", [AmikilnError("nobody logs in"), Interrupted()])
def test_an_image_that_nobody_verified_stays_for_the_next_run(
    harness: Harness, error: BaseException
) -> None:
    def refuse(command: str) -> None:
        if "fleet.sh" in command:
            raise error

    harness.script.refuse = refuse
    with pytest.raises((VerifyError, Interrupted)):
        harness.run()
    (kept,) = harness.holdings()["images"]
    assert f"{kept} stays: the next run of the same inputs verifies it" in harness.report.read()
    harness.script.refuse = lambda command: None
    assert harness.run().image.id == kept


def test_an_image_that_was_published_stays_whatever_is_found_later(harness: Harness) -> None:
    done = harness.run()
    harness.script.refuse = fail_on("fleet.sh")
    run, file = pipeline.new_run("cpu-build"), harness.folder / "again.json"
    proof = pipeline.verify_image(harness.image(), done.image.id, run, harness.session, file)
    assert proof.verdict.outcome != "pass"
    said = describe_fate(done.image.id, spec(), harness.session)
    assert said.startswith(f"{done.image.id} stays, and no run removes it: /buildkite/")
    harness.script.refuse = lambda command: None
    harness.run(rebake=True)
    assert done.image.id in harness.holdings()["images"]
