"""Templates of small stacks, and what such a stack has made."""

from __future__ import annotations

import json
from typing import Any

from localcloud.fixture import CloudFixture
from localcloud.stacks import StackFixture

KIND = "AWS::SSM::Parameter"


def parameter(value: Any, **more: Any) -> dict[str, Any]:
    return {"Type": KIND, "Properties": {"Type": "String", "Value": value}, **more}


def template(**resources: Any) -> str:
    sections = {key: resources.pop(key) for key in ("Parameters", "Outputs") if key in resources}
    return json.dumps({"Resources": resources, **sections})


def fleet(**properties: Any) -> dict[str, Any]:
    """Return a launch template with a group of one machine."""
    data = {"ImageId": "resolve:ssm:/image", "InstanceType": "t3.small"}
    return {
        "Template": {
            "Type": "AWS::EC2::LaunchTemplate",
            "Properties": {"LaunchTemplateData": {**data, **properties}},
        },
        "Group": {
            "Type": "AWS::AutoScaling::AutoScalingGroup",
            "Properties": {
                "AvailabilityZones": ["us-east-1a"],
                "MinSize": "1",
                "MaxSize": "2",
                "LaunchTemplate": {
                    "LaunchTemplateId": {"Ref": "Template"},
                    "Version": {"Fn::GetAtt": ["Template", "LatestVersionNumber"]},
                },
            },
        },
    }


def value_of(stack: StackFixture, logical_id: str) -> str:
    found = stack.cloud.client("ssm").get_parameter(Name=stack.physical_id(logical_id))
    value: str = found["Parameter"]["Value"]
    return value


def list_names(cloud: CloudFixture) -> set[str]:
    found = cloud.client("ssm").describe_parameters()["Parameters"]
    return {one["Name"] for one in found} - {"/image"}
