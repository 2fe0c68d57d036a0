"""40-images: images are pulled by digest, a few at once."""

from __future__ import annotations

import pytest

from fakes import pin
from recipe.root_folder import RootFolder


@pytest.fixture
def images(docker: RootFolder) -> RootFolder:
    docker.fake_program("sleep")
    docker.plan_changes["docker"] = {"images": [f"host/app:{number}" for number in range(9)]}
    return docker


def test_images_are_pulled_by_digest_and_tagged(images: RootFolder) -> None:
    (ran,) = images.run("40-images")
    assert ran.exit_code == 0
    for image in pin([f"host/app:{number}" for number in range(9)]):
        assert f"docker pull --quiet {image.by_digest}" in ran.calls
        assert f"docker tag {image.by_digest} {image.reference}" in ran.calls
        assert f"pulled {image.reference}\n" in ran.said


def test_a_pull_that_fails_is_tried_again_later(images: RootFolder) -> None:
    images.plan_changes["docker"] = {"images": ["host/app:1"]}
    images.variables = {"PULLS_THAT_FAIL": "2"}
    (ran,) = images.run("40-images")
    assert ran.exit_code == 0
    assert "pull of host/app:1 failed (attempt 2 of 3)" in ran.said
    assert "pulled host/app:1" in ran.said
    assert [call for call in ran.calls if call.startswith("sleep")] == ["sleep 5", "sleep 10"]


def test_a_pull_that_never_works_fails_the_step_and_not_the_others(images: RootFolder) -> None:
    images.plan_changes["docker"] = {"images": ["host/app:1"]}
    images.variables = {"PULLS_THAT_FAIL": "99"}
    (ran,) = images.run("40-images")
    assert ran.exit_code == 1
    assert "no route" in ran.said
    assert "error: not every image could be pulled" in ran.said


def test_no_images_are_no_fault(images: RootFolder) -> None:
    images.plan_changes["docker"] = {"images": []}
    (ran,) = images.run("40-images")
    assert ran.exit_code == 0
    assert not [call for call in ran.calls if "pull" in call]


def test_four_are_pulled_at_once_and_no_more(images: RootFolder) -> None:
    # A pull takes the lowest free slot, and lasts until four were taken at once.
    images.fake_program(
        "docker",
        """
[ "$1" = pull ] || exit 0
slot=1
until mkdir "/state/$slot" 2>/dev/null; do slot=$((slot + 1)); done
echo "$slot" >>/results/slots
looks=0
until [ -d /state/4 ] || [ -e /state/met ] || [ "$looks" = 200 ]; do
    looks=$((looks + 1))
    /bin/sleep 0.05
done
touch /state/met
rmdir "/state/$slot"
""",
    )
    (ran,) = images.run("40-images")
    assert ran.exit_code == 0
    slots = (images.place / "results" / "slots").read_text().split()
    assert (len(slots), max(slots)) == (9, "4")


def test_pulls_use_the_logins_that_were_sent(images: RootFolder) -> None:
    images.plan_changes["docker"] = {"images": ["host/app:1"]}
    logins = "/run/amikiln-logins"
    (ran,) = images.run("40-images", before=f"mkdir -p {logins}; echo {{}} >{logins}/config.json")
    (image,) = pin(["host/app:1"])
    assert f"docker --config /run/amikiln-logins pull --quiet {image.by_digest}" in ran.calls
