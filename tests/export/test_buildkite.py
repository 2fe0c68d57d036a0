"""The timeouts of the pipeline's steps follow from the spec's deadlines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from amikiln.errors import SpecError
from amikiln.export import buildkite
from amikiln.spec import timing
from amikiln.spec.load import ImageFolder, load_image

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / ".buildkite" / "pipelines" / "rebuild-cpu-ami.yml"
IMAGE = ROOT / "images" / "cpu-build"


def image(*changes: str) -> ImageFolder:
    return load_image(IMAGE, changes=changes)


def timeouts(text: str) -> dict[str, int]:
    steps = yaml.safe_load(text)["steps"]
    return {
        step["key"]: step["timeout_in_minutes"] for step in steps if "timeout_in_minutes" in step
    }


def test_the_checked_in_pipeline_is_current() -> None:
    text = PIPELINE.read_text()
    assert buildkite.fill_timeouts(text, image(), "x.yml") == text
    found = timeouts(text)
    for key, minutes in timing.pipeline_minutes(image().spec, 0, 0).items():
        assert found[key] == minutes


def test_a_longer_build_and_lease_are_written_and_nothing_else_changes() -> None:
    text = PIPELINE.read_text()
    longer = image("deadlines.build_seconds=20000", "deadlines.lease_seconds=3600")
    written = buildkite.fill_timeouts(text, longer, "x.yml")
    assert timeouts(written)["build"] > timeouts(text)["build"] + 3 * 150
    assert yaml.safe_load(written)["env"]["AMIKILN_LEASE_WAIT"] == "3900s"
    without = re.compile(r"(timeout_in_minutes|AMIKILN_LEASE_WAIT): .*")
    assert without.sub("", written) == without.sub("", text)


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        (r"    key: verify\n", "verify"),
        (r"    timeout_in_minutes: \d+\n", "build, plan, publish, verify"),
        (r"  AMIKILN_LEASE_WAIT: .*\n", "AMIKILN_LEASE_WAIT"),
    ],
)
def test_a_pipeline_without_a_place_for_a_value_is_refused(gone: str, named: str) -> None:
    text = re.sub(gone, "", PIPELINE.read_text())
    with pytest.raises(SpecError, match=rf"x\.yml has no .*, of {named}$"):
        buildkite.fill_timeouts(text, image(), "x.yml")
