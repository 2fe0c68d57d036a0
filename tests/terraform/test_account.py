"""The account's part, applied to the local cloud: the pointer is never Terraform's to write."""

from __future__ import annotations

from typing import Any

from localcloud.fixture import CloudFixture
from terraform.conftest import AccountPart

POINTER = "/buildkite/cpu-build-ami/us-east-1"
SUBNET = f"{POINTER}/subnet-id"
GROUP = f"{POINTER}/security-group-id"
ADDRESS = "module.account.aws_ssm_parameter.pointer"


def parameter(cloud: CloudFixture, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cloud.client("ssm").get_parameter(Name=name)["Parameter"]
    return found


def there(cloud: CloudFixture, *names: str) -> set[str]:
    found = cloud.client("ssm").get_parameters(Names=list(names))["Parameters"]
    return {one["Name"] for one in found}


def put_by_hand(cloud: CloudFixture, image: str, **options: str) -> None:
    """As in the original's first-time set-up, and as amikiln publishes."""
    asked = {"Name": POINTER, "Value": image, "Type": "String", "Overwrite": True, **options}
    cloud.client("ssm").put_parameter(**asked)
    cloud.until_pointers_are_checked()


def another_image(cloud: CloudFixture) -> str:
    machine = cloud.run_to("running")
    image: str = cloud.client("ec2").create_image(InstanceId=machine, Name="newer")["ImageId"]
    cloud.until_image(image, "available")
    return image


def groups(cloud: CloudFixture) -> dict[str, dict[str, Any]]:
    found = cloud.client("ec2").describe_security_groups()["SecurityGroups"]
    return {one["GroupName"]: one for one in found}


def test_the_originals_order(cloud: CloudFixture, account: AccountPart) -> None:
    put_by_hand(cloud, cloud.base, DataType="aws:ec2:image")
    by_hand = parameter(cloud, POINTER)

    said = account.apply()
    assert "1 imported, " in said
    assert "has the data type" not in said
    assert parameter(cloud, POINTER) == by_hand
    the_build_finds_its_group_and_its_subnet(cloud)
    assert account.changes_nothing

    put_by_hand(cloud, another_image(cloud), DataType="aws:ec2:image")
    published = parameter(cloud, POINTER)
    assert published["Version"] == by_hand["Version"] + 1
    assert account.changes_nothing

    refused = account.may_fail("destroy", "-no-color", "-auto-approve")
    assert refused.returncode == 1
    assert "prevent_destroy" in refused.stdout
    assert there(cloud, POINTER, SUBNET, GROUP) == {POINTER, SUBNET, GROUP}

    account("state", "rm", ADDRESS)
    account("destroy", "-no-color", "-auto-approve")
    assert there(cloud, POINTER, SUBNET, GROUP) == {POINTER}
    assert parameter(cloud, POINTER) == published
    assert {name for name in groups(cloud) if name.startswith("cpu-build")} == set()
    assert cloud.client("iam").list_policies(Scope="Local")["Policies"] == []


def the_build_finds_its_group_and_its_subnet(cloud: CloudFixture) -> None:
    made = groups(cloud)
    build, agents = made["cpu-build-build"], made["cpu-build-packer-agents"]
    assert parameter(cloud, GROUP)["Value"] == build["GroupId"]
    (rule,) = build["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"], rule["IpRanges"]) == (22, 22, [])
    assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [agents["GroupId"]]
    assert agents["IpPermissions"] == []
    subnet = parameter(cloud, SUBNET)["Value"]
    (described,) = cloud.client("ec2").describe_subnets(SubnetIds=[subnet])["Subnets"]
    assert described["VpcId"] == build["VpcId"]


def test_a_plain_text_pointer_is_adopted_as_it_is_with_a_warning(
    cloud: CloudFixture, account: AccountPart
) -> None:
    put_by_hand(cloud, cloud.base)
    by_hand = parameter(cloud, POINTER)
    assert by_hand["DataType"] == "text"
    assert "has the data type text" in account.apply()
    assert parameter(cloud, POINTER) == by_hand
    assert account.changes_nothing


def test_a_pointer_is_made_only_with_an_image_to_name(
    cloud: CloudFixture, account: AccountPart
) -> None:
    refused = account.may_fail("plan", "-no-color")
    assert refused.returncode == 1
    assert "non-existent remote object" in refused.stdout

    account.values(pointer_exists=False)
    refused = account.may_fail("plan", "-no-color")
    assert refused.returncode == 1
    assert "set first_image_id" in refused.stdout

    account.values(pointer_exists=False, first_image_id=cloud.base)
    account.apply()
    made = parameter(cloud, POINTER)
    assert (made["Value"], made["DataType"]) == (cloud.base, "aws:ec2:image")


def test_making_it_does_not_overwrite_a_pointer_that_is_there(
    cloud: CloudFixture, account: AccountPart
) -> None:
    put_by_hand(cloud, another_image(cloud), DataType="aws:ec2:image")
    by_hand = parameter(cloud, POINTER)
    account.values(pointer_exists=False, first_image_id=cloud.base)
    refused = account.may_fail("apply", "-no-color", "-auto-approve")
    assert refused.returncode == 1
    assert "ParameterAlreadyExists" in refused.stdout
    assert parameter(cloud, POINTER) == by_hand
