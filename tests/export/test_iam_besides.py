"""The policy for what only some specs ask for: a role, Spot, Session Manager, a key, ECR."""

from __future__ import annotations

import pytest

from amikiln.errors import SpecError
from amikiln.export import iam_policy
from export.policies import ACCOUNT, allowing, condition_keys, statements
from fakes import spec


def test_what_a_spec_asks_for_besides_is_allowed_and_nothing_for_one_that_does_not() -> None:
    plain = iam_policy.render_policy(spec())
    for word in ("iam:", "ssm:StartSession", "spot-instances-request", "kms:"):
        assert word not in plain
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1a2b-3c4d"
    wanted = spec(
        instance={"types": ["t3.micro"], "profile": "builder", "market": "spot"},
        network={"connect": "session-manager"},
        volume={"size_gib": 12, "kms_key": key},
    )
    found = statements(wanted, account=ACCOUNT)
    assert found["PassRole"]["Resource"] == [f"arn:aws:iam::{ACCOUNT}:role/builder"]
    assert found["PassRole"]["Condition"]["StringEquals"] == {
        "iam:PassedToService": "ec2.amazonaws.com"
    }
    assert found["ConnectToOwnInstance"]["Condition"]["StringEquals"] == {
        "ssm:resourceTag/amikiln:image": "cpu-build"
    }
    assert found["UseSshDocument"]["Resource"] == [
        "arn:aws:ssm:us-east-1::document/AWS-StartSSHSession"
    ]
    (ended,) = found["EndOwnSession"]["Resource"]
    assert ended.endswith(":session/${aws:userid}-*")
    assert found["UseEncryptionKey"]["Resource"] == [key]
    made = [s["Sid"] for s in allowing(found, "ec2:RunInstances") if "Spot" in s["Sid"]]
    assert len(made) == 1
    assert "aws:RequestTag/amikiln:image" in condition_keys(found[made[0]])


def test_tags_of_ones_own_need_a_permission_for_parameters() -> None:
    found = statements(spec(tags={"team": "ci"}), account=ACCOUNT)
    tagged = {
        arn.partition(":parameter")[2]
        for one in allowing(found, "ssm:AddTagsToResource")
        for arn in one["Resource"]
    }
    assert tagged == {"/buildkite/cpu-build-ami/us-east-1", "/amikiln/cpu-build/us-east-1/lease/*"}


def test_a_key_s_alias_in_the_spec_is_no_policy() -> None:
    alias = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/builds"
    with pytest.raises(SpecError, match="is not the ARN of a KMS key"):
        iam_policy.render_policy(spec(volume={"size_gib": 12, "kms_key": alias}))


def test_logging_in_to_ecr_allows_pulling_there_and_nothing_else() -> None:
    host = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
    logins = {host: "ecr", "public.ecr.aws": "ecr", "x.example": "docker"}
    found = statements(spec(docker={"images": [], "logins": logins}), account=ACCOUNT)
    assert found["PullFromEcr"]["Resource"] == [f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/*"]
    assert found["LogInToEcr"]["Action"] == ["ecr:GetAuthorizationToken"]
    assert found["LogInToPublicEcr"]["Action"] == [
        "ecr-public:GetAuthorizationToken",
        "sts:GetServiceBearerToken",
    ]
    assert "ecr" not in iam_policy.render_policy(spec())
