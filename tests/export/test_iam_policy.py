"""The exported policy: its resources, its conditions, and that the checked-in copy is current."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from amikiln.cli import main
from amikiln.errors import SpecError
from amikiln.export import iam_policy
from amikiln.export.iam_scope import Scope
from amikiln.spec.load import load_image
from export.policies import ACCOUNT, allowing, condition_keys, statements
from fakes import spec

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "images" / "cpu-build"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
LARGEST_MANAGED_POLICY = 6144
"""Without white space:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

CHANGING = ("Create", "Delete", "Deregister", "Enable", "Import", "Run", "Stop", "Terminate")


def test_the_checked_in_copy_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(main.app, ["export", "iam-policy", str(IMAGE)])
    assert printed.exit_code == 0
    assert printed.stdout == (ROOT / "terraform" / "aws" / "build-policy.json").read_text()


def test_the_command_takes_account_and_key() -> None:
    options = ["--account", ACCOUNT, "--kms-key", KEY]
    printed = CliRunner().invoke(main.app, ["export", "iam-policy", str(IMAGE), *options])
    assert printed.stdout == iam_policy.render_policy(load_image(IMAGE).spec, ACCOUNT, KEY)
    resources = [r for s in json.loads(printed.stdout)["Statement"] for r in s["Resource"]]
    assert f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/*" in resources
    assert KEY in resources


@pytest.mark.parametrize("account", ["", "12345678901", "1234567890123", "abcdefghijkl", "**"])
def test_what_is_no_account_is_refused(account: str) -> None:
    with pytest.raises(SpecError, match="not an AWS account"):
        iam_policy.render_policy(spec(), account)


@pytest.mark.parametrize("key", ["", "alias/ebs", KEY.replace("key/", "alias/"), "*", KEY + "*"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(SpecError, match="not the ARN of a KMS key"):
        iam_policy.render_policy(spec(), ACCOUNT, key)


def test_it_fits_into_one_managed_policy() -> None:
    longest = spec(
        name="n" * 40,
        source={"parameter": "/team/" + "s" * 60},
        instance={
            "types": ["t3.micro"],
            "subnet_parameter": "/team/" + "t" * 60,
            "security_group_parameter": "/team/" + "g" * 60,
        },
    )
    text = iam_policy.render_policy(longest, ACCOUNT, KEY)
    assert 3000 < len("".join(text.split())) <= LARGEST_MANAGED_POLICY


def test_names_are_letters_and_digits_sorted_and_unique() -> None:
    text = iam_policy.render_policy(spec(), ACCOUNT, KEY)
    names = [statement["Sid"] for statement in json.loads(text)["Statement"]]
    assert names == sorted(set(names))
    assert all(name.isalnum() for name in names)


def test_only_actions_without_resource_level_permissions_are_allowed_on_everything() -> None:
    everywhere = [s for s in statements(spec()).values() if "*" in s["Resource"]]
    (look,) = everywhere
    actions = [action.partition(":")[2] for action in look["Action"]]
    assert [action for action in actions if not action.startswith(("Describe", "GetCaller"))] == []
    assert look["Condition"] == {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}


def test_all_actions_that_create_change_or_delete_require_the_images_tag() -> None:
    found = statements(spec())
    free = {
        (action, resource.rpartition(":")[2])
        for statement in found.values()
        for action, resource in itertools.product(statement["Action"], statement["Resource"])
        if action.startswith(tuple(f"ec2:{word}" for word in CHANGING))
        and not any("amikiln:image" in key for key in condition_keys(statement))
    }
    # These only use the resource.
    assert free == {
        ("ec2:CreateSecurityGroup", "vpc/*"),
        ("ec2:RunInstances", "image/*"),
        ("ec2:RunInstances", "subnet/*"),
    }
    tags = {
        value
        for statement in found.values()
        for key, value in statement.get("Condition", {}).get("StringEquals", {}).items()
        if key.endswith("/amikiln:image")
    }
    assert tags == {"cpu-build"}


def test_tagging_is_allowed_on_own_resources_and_in_calls_that_create_one() -> None:
    found = allowing(statements(spec()), "ec2:CreateTags")
    kinds = {s["Sid"]: sorted(r.rpartition(":")[2] for r in s["Resource"]) for s in found}
    assert kinds == {
        "UseOwnImage": ["image/*"],
        "UseOwnInstance": ["instance/*"],
        "TagWhatIsMade": [
            f"{kind}/*"
            for kind in (
                "image",
                "instance",
                "key-pair",
                "network-interface",
                "security-group",
                "snapshot",
                "volume",
            )
        ],
    }
    (made,) = [s for s in found if s["Sid"] == "TagWhatIsMade"]
    assert made["Condition"]["StringEquals"]["ec2:CreateAction"] == [
        "CreateImage",
        "CreateSecurityGroup",
        "ImportKeyPair",
        "RunInstances",
    ]


def test_parameters_are_the_specs_own() -> None:
    wanted = spec(
        source={"parameter": "/aws/service/ami-amazon-linux-latest/al2023"},
        instance={
            "types": ["t3.micro"],
            "subnet_parameter": "/team/subnet",
            "security_group_parameter": "/team/group",
        },
    )
    found = {
        resource: sorted(action for action in statement["Action"])
        for statement in statements(wanted, account=ACCOUNT).values()
        for resource in statement["Resource"]
        if ":ssm:" in resource
    }
    base = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter"
    lease = f"{base}/amikiln/cpu-build/us-east-1/lease"
    assert found == {
        f"{base}/buildkite/cpu-build-ami/us-east-1": [
            "ssm:GetParameter",
            "ssm:GetParameterHistory",
            "ssm:PutParameter",
        ],
        lease: ["ssm:GetParametersByPath"],
        f"{lease}/*": ["ssm:DeleteParameter", "ssm:GetParameters", "ssm:PutParameter"],
        f"{base}/team/subnet": ["ssm:GetParameter"],
        f"{base}/team/group": ["ssm:GetParameter"],
        "arn:aws:ssm:us-east-1::parameter/aws/service/ami-amazon-linux-latest/al2023": [
            "ssm:GetParameter"
        ],
    }


@pytest.mark.parametrize(
    ("source", "account", "resource", "condition"),
    [
        ({"id": "ami-0123456789abcdef0"}, "*", "image/ami-0123456789abcdef0", None),
        ({"parameter": "/team/source"}, "*", "image/*", None),
        ({"name": "al2023-*", "owner": "amazon"}, "*", "image/*", "amazon"),
        ({"stack_version": "v6.71.1"}, "*", "image/*", "172840064832"),
        ({"stack_version": "v6.71.1", "stack_template": "own.yml"}, "*", "image/*", None),
        ({"name": "ours-*", "owner": "self"}, ACCOUNT, "image/*", ACCOUNT),
        ({"name": "ours-*", "owner": "self"}, "*", "image/*", None),
    ],
)
def test_the_source_image_is_as_the_spec_names_it(
    source: dict[str, str], account: str, resource: str, condition: str | None
) -> None:
    found = statements(spec(source=source), account=account)["UseSourceImage"]
    assert found["Resource"] == [f"arn:aws:ec2:us-east-1::{resource}"]
    wanted = {"StringEquals": {"ec2:Owner": condition}} if condition else None
    assert found.get("Condition") == wanted


def test_a_given_network_is_the_only_one() -> None:
    given = {"subnet": "subnet-0123456789abcdef0", "security_group": "sg-0123456789abcdef0"}
    found = statements(spec(instance={"types": ["t3.micro"], **given}))
    prefix = "arn:aws:ec2:us-east-1:*"
    assert found["UseSubnet"]["Resource"] == [f"{prefix}:subnet/subnet-0123456789abcdef0"]
    assert found["UseSecurityGroup"]["Resource"] == [
        f"{prefix}:security-group/sg-0123456789abcdef0"
    ]
    assert "ec2:RunInstances" not in found["UseOwnSecurityGroup"]["Action"]
    own = statements(spec())
    assert "UseSecurityGroup" not in own
    assert "ec2:RunInstances" in own["UseOwnSecurityGroup"]["Action"]


def test_a_key_is_used_through_ec2_and_lent_to_services_alone() -> None:
    assert allowing(statements(spec()), "kms:CreateGrant") == []
    found = statements(spec(), kms_key=KEY)
    (lent,) = allowing(found, "kms:CreateGrant")
    through_ec2 = {"kms:ViaService": "ec2.us-east-1.amazonaws.com"}
    assert lent["Condition"] == {
        "StringEquals": through_ec2,
        "Bool": {"kms:GrantIsForAWSResource": "true"},
    }
    used = found["UseEncryptionKey"]
    assert (used["Resource"], used["Condition"]) == ([KEY], {"StringEquals": through_ec2})
    assert "kms:GenerateDataKeyWithoutPlaintext" in used["Action"]


def test_no_role_is_passed_and_no_parameter_of_a_template_resolved() -> None:
    found = statements(spec(), kms_key=KEY)
    granted = {action for statement in found.values() for action in statement["Action"]}
    assert "iam:PassRole" not in granted
    # A launch template's resolve:ssm: would need it for the pointer.
    readable = [
        resource
        for statement in found.values()
        if "ssm:GetParameters" in statement["Action"]
        for resource in statement["Resource"]
    ]
    assert [resource.rpartition("/")[0].rpartition("/")[2] for resource in readable] == ["lease"]


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_the_partition_is_the_regions(region: str, partition: str) -> None:
    found = iam_policy.build_policy(Scope(spec(region=region)))["Statement"]
    arns = [r for statement in found for r in statement["Resource"] if r != "*"]
    assert {arn.split(":")[1] for arn in arns} == {partition}
    assert {arn.split(":")[3] for arn in arns} == {region}
