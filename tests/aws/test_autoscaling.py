"""Auto Scaling groups: those that exist, in few calls, with all that they may launch from."""

from __future__ import annotations

from typing import Any

import pytest

from amikiln.aws.autoscaling import MOST_NAMES, AutoScaling, GroupSelection, LaunchSource
from amikiln.aws.connect import connect
from localcloud.fixture import CloudFixture

POINTER = "resolve:ssm:/pointer"


def autoscaling(cloud: CloudFixture) -> AutoScaling:
    return connect("us-east-1", cloud.session()).autoscaling


def make_template(cloud: CloudFixture, name: str, *images: str) -> str:
    """Make a launch template with a version for each image, and return its id."""
    ec2 = cloud.client("ec2")
    # A group is made only if its template leads to an image.
    pointer = {"Name": "/pointer", "Value": cloud.base, "Type": "String", "Overwrite": True}
    cloud.client("ssm").put_parameter(**pointer)
    first, *others = ({"ImageId": image, "InstanceType": "t3.micro"} for image in images)
    made = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=first)
    for data in others:
        ec2.create_launch_template_version(LaunchTemplateName=name, LaunchTemplateData=data)
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def make_group(cloud: CloudFixture, name: str, **settings: Any) -> None:
    cloud.client("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName=name,
        MinSize=0,
        MaxSize=1,
        AvailabilityZones=["us-east-1a"],
        **settings,
    )


def of_template(name: str, version: str = "$Latest") -> dict[str, Any]:
    return {"LaunchTemplate": {"LaunchTemplateName": name, "Version": version}}


def of_overrides(base: str, *overrides: dict[str, Any]) -> dict[str, Any]:
    specification = {"LaunchTemplateName": base, "Version": "$Latest"}
    template = {"LaunchTemplateSpecification": specification, "Overrides": list(overrides)}
    return {"MixedInstancesPolicy": {"LaunchTemplate": template}}


def sources(cloud: CloudFixture, name: str) -> tuple[LaunchSource, ...]:
    (group,) = autoscaling(cloud).find_groups(GroupSelection([name])).groups
    return group.sources


def test_each_group_has_its_own_templates_image_and_missing_groups_are_named(
    cloud: CloudFixture,
) -> None:
    for template, image in {"one": cloud.base, "two": POINTER}.items():
        make_template(cloud, template, image)
    for name, template in {"a": "one", "b": "two", "c": "two"}.items():
        make_group(cloud, name, **of_template(template))
    found = autoscaling(cloud).find_groups(GroupSelection(["c", "missing", "a", "b"]))
    assert [(group.name, group.sources[0].image) for group in found.groups] == [
        ("c", POINTER),
        ("a", cloud.base),
        ("b", POINTER),
    ]
    assert found.missing == ("Auto Scaling group missing",)


def test_nothing_wanted_is_not_everything(cloud: CloudFixture) -> None:
    make_template(cloud, "one", POINTER)
    make_group(cloud, "a", **of_template("one"))
    found = autoscaling(cloud).find_groups(GroupSelection())
    assert (found.groups, found.missing, GroupSelection().is_empty) == ((), (), True)


@pytest.mark.parametrize(
    ("version", "image"),
    [("1", "old"), ("2", "new"), ("$Latest", "new"), ("$Default", "old"), (None, "old")],
)
def test_a_template_is_looked_at_in_the_version_that_the_group_names(
    version: str | None, image: str, cloud: CloudFixture
) -> None:
    images = {"old": cloud.base, "new": POINTER}
    template_id = make_template(cloud, "one", images["old"], images["new"])
    wanted = of_template("one", version or "")
    if version is None:
        del wanted["LaunchTemplate"]["Version"]
    make_group(cloud, "a", **wanted)
    what = f"launch template {template_id} (version {version or '$Default'})"
    assert sources(cloud, "a") == (LaunchSource(what, images[image]),)


def test_an_override_with_a_template_of_its_own_is_looked_at(cloud: CloudFixture) -> None:
    base = make_template(cloud, "base", POINTER)
    make_template(cloud, "own", cloud.base)
    specification = {"LaunchTemplateName": "own", "Version": "1"}
    overridden = {"InstanceType": "t3.medium", "LaunchTemplateSpecification": specification}
    make_group(cloud, "a", **of_overrides("base", {"InstanceType": "t3.small"}, overridden))
    assert sources(cloud, "a") == (
        LaunchSource(f"launch template {base} (version $Latest)", POINTER),
        LaunchSource("override 2 (t3.medium), its launch template own (version 1)", cloud.base),
    )


def test_a_base_template_that_no_override_leaves_to_use_is_not_looked_at(
    cloud: CloudFixture,
) -> None:
    make_template(cloud, "base", cloud.base)
    make_template(cloud, "own", POINTER)
    specification = {"LaunchTemplateName": "own", "Version": "$Latest"}
    overridden = {"InstanceType": "t3.small", "LaunchTemplateSpecification": specification}
    make_group(cloud, "a", **of_overrides("base", overridden))
    assert [source.image for source in sources(cloud, "a")] == [POINTER]


def test_a_launch_configuration_is_looked_at(cloud: CloudFixture) -> None:
    cloud.client("autoscaling").create_launch_configuration(
        LaunchConfigurationName="old-way", ImageId=cloud.base, InstanceType="t3.micro"
    )
    make_group(cloud, "a", LaunchConfigurationName="old-way")
    assert sources(cloud, "a") == (LaunchSource("launch configuration old-way", cloud.base),)


def test_a_template_that_is_gone_has_no_image(cloud: CloudFixture) -> None:
    template_id = make_template(cloud, "one", POINTER)
    make_group(cloud, "a", **of_template("one"))
    cloud.client("ec2").delete_launch_template(LaunchTemplateId=template_id)
    (source,) = sources(cloud, "a")
    assert source.image == ""


def test_groups_are_found_by_stack_and_by_all_tags_and_each_once(cloud: CloudFixture) -> None:
    make_template(cloud, "one", POINTER)
    tags = {
        "a": {"aws:cloudformation:stack-name": "ci", "team": "x", "use": "cpu"},
        "b": {"aws:cloudformation:stack-name": "other", "team": "x", "use": "gpu"},
        "c": {"aws:cloudformation:stack-name": "ci"},
    }
    for name, own in tags.items():
        listed = [
            {"Key": key, "Value": value, "PropagateAtLaunch": False} for key, value in own.items()
        ]
        make_group(cloud, name, **of_template("one"), Tags=listed)
    wanted = GroupSelection(["a"], ["ci", "gone"], {"team": "x", "use": "cpu"})
    found = autoscaling(cloud).find_groups(wanted)
    assert [group.name for group in found.groups] == ["a", "c"]
    assert found.missing == ("Auto Scaling group of the stack gone",)
    none = autoscaling(cloud).find_groups(GroupSelection(having={"team": "x", "use": "disk"}))
    assert none.missing == ("Auto Scaling group with the tags team=x, use=disk",)


def test_no_call_names_more_groups_than_it_may(cloud: CloudFixture) -> None:
    sizes: list[int] = []

    def measure(params: dict[str, Any], **other: Any) -> None:
        sizes.append(len(params["AutoScalingGroupNames"]))

    here = autoscaling(cloud)
    events = here._autoscaling.meta.events
    events.register("before-parameter-build.autoscaling.DescribeAutoScalingGroups", measure)
    names = [f"group-{number}" for number in range(MOST_NAMES + 1)]
    assert len(here.find_groups(GroupSelection(names)).missing) == len(names)
    assert sizes == [50, 1]
