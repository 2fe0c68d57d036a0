"""Preflight and plan: what is missing is named before anything is made."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
from botocore.exceptions import ClientError

from amikiln.errors import PreflightError
from amikiln.model.plan import Network
from amikiln.model.run import Run
from amikiln.plan.preflight import check_plan, preflight
from amikiln.plan.resolve import plan as make_plan
from fakes import pin, plan, spec
from harness import NOTHING, POINTER, Harness

RUN = Run("cpu-build-20261124-060000-0a1b2c", "cpu-build")
SOURCE = {"name": "amikiln-base-debian-13-x86_64", "owner": "136693071363"}


def instance(**values: object) -> dict[str, object]:
    own_group = not any(key.startswith("security_group") for key in values)
    ssh_from = {"ssh_from": "127.0.0.1/32"} if own_group else {}
    return {"types": ["t3.micro"], **ssh_from, **values}


def test_a_good_plan_passes_and_nothing_is_made(harness: Harness) -> None:
    preflight(make_plan(harness.image(), harness.session, pin), RUN, harness.session)
    assert harness.holdings() == NOTHING


def test_all_faults_are_named_at_once(harness: Harness) -> None:
    wanted = spec(instance=instance(types=["x9.tiny"]), volume={"size_gib": 1, "iops": 3000})
    planned = dataclasses.replace(
        make_plan(harness.image(wanted), harness.session, pin),
        network=Network(("subnet-0aaaaaaaaaaaaaaaa",), "sg-0bbbbbbbbbbbbbbbb", None, None),
    )
    with pytest.raises(PreflightError) as caught:
        preflight(planned, RUN, harness.session)
    source = planned.source.id
    assert caught.value.what.splitlines() == [
        "us-east-1 offers none of instance.types: x9.tiny",
        "there is no subnet subnet-0aaaaaaaaaaaaaaaa in us-east-1",
        "there is no security group sg-0bbbbbbbbbbbbbbbb in us-east-1",
        f"volume.size_gib is 1, and the source image {source} alone has 4 GiB",
    ]


def test_a_pointer_of_another_data_type_is_a_fault_before_anything_is_made(
    harness: Harness,
) -> None:
    harness.ssm.put_parameter(Name=POINTER, Value="ami-by-hand", Type="String")
    with pytest.raises(PreflightError, match=r"set publish\.data_type to text"):
        preflight(make_plan(harness.image(), harness.session, pin), RUN, harness.session)


def test_the_source_can_be_the_elastic_ci_stack_s(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "aws-stack.yml").write_text(
        "Description: Buildkite stack v6.71.1\n"
        f"Mappings: {{AWSRegion2AMI: {{us-east-1: {{linuxamd64: {harness.cloud.base}}}}}}}\n"
    )
    wanted = spec(source={"stack_version": "v6.71.1", "stack_template": "aws-stack.yml"})
    wanted = wanted.model_copy(update={"warm": None})
    folder = dataclasses.replace(harness.image(wanted), directory=tmp_path)
    assert make_plan(folder, harness.session, pin).source.id == harness.cloud.base


def test_a_type_that_is_not_offered_is_left_out_with_a_word(harness: Harness) -> None:
    wanted = spec(instance=instance(types=["c9g.large", "t3.micro"]))
    preflight(make_plan(harness.image(wanted), harness.session, pin), RUN, harness.session)
    said = "warning: us-east-1 does not offer c9g.large: it is left out"
    assert said in harness.report.said


def test_a_group_that_is_not_there_is_told_before_anything_is_made(harness: Harness) -> None:
    wanted = spec(fleet={"auto_scaling_groups": ["cpu-build"], "stacks": ["ci"]})
    harness.follow()
    preflight(make_plan(harness.image(wanted), harness.session, pin), RUN, harness.session)
    told = [line for line in harness.report.said if line.startswith("warning: there is no")]
    assert told == [
        "warning: there is no Auto Scaling group of the stack ci, which rollout will look for"
    ]


def test_a_volume_faster_than_its_machine_is_told(harness: Harness) -> None:
    fast = {"size_gib": 200, "iops": 80000, "throughput_mib": 2000}
    preflight(
        make_plan(harness.image(spec(volume=fast)), harness.session, pin), RUN, harness.session
    )
    (said,) = (line for line in harness.report.said if "paid in vain" in line)
    assert said.startswith("instance type t3.micro has ")
    assert "MB/s for volume.throughput_mib 2000" in said
    assert "IOPS for volume.iops 80000" in said


def test_an_instance_type_of_another_architecture_is_a_fault(harness: Harness) -> None:
    wanted = spec(instance=instance(types=["t3.micro", "t4g.micro"]))
    planned = make_plan(harness.image(wanted), harness.session, pin)
    with pytest.raises(PreflightError) as caught:
        preflight(planned, RUN, harness.session)
    assert caught.value.what == (
        f"instance type t4g.micro is for arm64, and the source image {planned.source.id} for x86_64"
    )


def test_a_name_that_is_taken_is_a_fault(harness: Harness) -> None:
    done = harness.run()
    planned = make_plan(harness.image(), harness.session, pin)
    with pytest.raises(PreflightError, match=f"{done.image.name} is taken by {done.image.id}"):
        preflight(planned, done.run, harness.session)
    preflight(planned, RUN, harness.session)


def test_source_and_network_can_come_from_parameters(harness: Harness) -> None:
    subnet = harness.ec2.describe_subnets()["Subnets"][0]
    base = harness.ec2.describe_images(Owners=[SOURCE["owner"]])["Images"][0]["ImageId"]
    named = {"/net/us-east-1/subnet": subnet["SubnetId"], "/net/group": "sg-01", "/base": base}
    for name, value in named.items():
        harness.ssm.put_parameter(Name=name, Value=value, Type="String")
    wanted = spec(
        source={"parameter": "/base"},
        instance=instance(
            subnet_parameter="/net/{region}/subnet", security_group_parameter="/net/group"
        ),
    )
    planned = make_plan(harness.image(wanted), harness.session, pin)
    assert planned.source.id == base
    assert planned.network == Network((subnet["SubnetId"],), "sg-01", None, subnet["VpcId"])


@pytest.mark.parametrize(
    ("answer", "network"), [(b"203.0.113.7\n", "203.0.113.7/32"), (b"<html>log in</html>", None)]
)
def test_ssh_is_for_this_machines_own_address(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, answer: bytes, network: str | None
) -> None:
    monkeypatch.setattr(
        "amikiln.plan.network.open_directly", lambda url, timeout: io.BytesIO(answer)
    )
    wanted = spec(instance={"types": ["t3.micro"]})
    if network is not None:
        assert make_plan(harness.image(wanted), harness.session, pin).network.ssh_from == network
        return
    with pytest.raises(PreflightError, match="cannot find out this machine's public") as caught:
        make_plan(harness.image(wanted), harness.session, pin)
    assert "instance.ssh_from" in (caught.value.hint or "")


def test_a_service_that_does_not_answer_is_named(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(url: str, timeout: float) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("amikiln.plan.network.open_directly", unreachable)
    with pytest.raises(PreflightError, match=r"checkip\.amazonaws\.com: .*no route"):
        make_plan(harness.image(spec(instance={"types": ["t3.micro"]})), harness.session, pin)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"source": {"id": "ami-0aaaaaaaaaaaaaaaa"}}, "no available image ami-0aaaaaaaaaaaaaaaa"),
        ({"source": {"parameter": "/none"}}, "no SSM parameter /none"),
        ({"instance": instance(subnet_parameter="/none")}, "no SSM parameter /none"),
        ({"source": {**SOURCE, "architecture": "arm64"}}, "no available arm64 image"),
    ],
)
def test_what_a_spec_names_has_to_be_there(
    harness: Harness, changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(PreflightError, match=fault):
        make_plan(harness.image(spec(**changes)), harness.session, pin)


def test_an_image_of_another_architecture_is_refused(harness: Harness) -> None:
    base = harness.ec2.describe_images(Owners=[SOURCE["owner"]])["Images"][0]["ImageId"]
    with pytest.raises(PreflightError, match="is for x86_64, and the spec wants arm64"):
        make_plan(
            harness.image(spec(source={"id": base, "architecture": "arm64"})), harness.session, pin
        )


def test_equal_inputs_have_equal_digests_and_others_others(harness: Harness) -> None:
    def digests(**changes: Any) -> tuple[str, str]:
        planned = make_plan(harness.image(spec(**changes)), harness.session, pin)
        return planned.digest, planned.proof_digest

    def write(name: str, text: str) -> tuple[str, str]:
        file = harness.folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return digests()

    first = digests()
    assert digests() == digests(deprecate_days=8) == first
    others = [
        first,
        digests(docker={"images": ["registry.example/team/app:other"]}),
        write("steps/after-images.sh", "true"),
        write("steps/after-images.sh", "false"),
        write("warm/Dockerfile", "FROM base"),
    ]
    assert len({disk for disk, _ in others}) == len(others)
    disk, proof = write("checks/models.sh", "true")
    assert {proof for _, proof in others} == {first[1]} != {proof}
    assert disk == others[-1][0]


def test_the_next_type_or_zone_is_tried_where_there_is_no_capacity(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[tuple[str, str]] = []

    def no_room_for_micro(params: dict[str, Any], **other: Any) -> None:
        if params["InstanceType"] == "t3.micro":
            refused.append((params["InstanceType"], params["SubnetId"]))
            answer: Any = {"Error": {"Code": "InsufficientInstanceCapacity", "Message": "none"}}
            raise ClientError(answer, "RunInstances")

    events = harness.clients()[0].meta.events
    events.register("provide-client-params.ec2.RunInstances", no_room_for_micro)
    done = harness.run(
        spec(instance=instance(types=["t3.micro", "t3.small"], ssh_from="1.2.3.4/32"))
    )
    zones = len(harness.ec2.describe_subnets()["Subnets"])
    assert len(set(refused)) == zones
    assert harness.pointer() == done.image.id


def test_without_capacity_anywhere_every_try_is_named_and_nothing_is_left(harness: Harness) -> None:
    def no_room(**other: Any) -> None:
        answer: Any = {"Error": {"Code": "InsufficientInstanceCapacity", "Message": "none"}}
        raise ClientError(answer, "RunInstances")

    harness.clients()[0].meta.events.register("provide-client-params.ec2.RunInstances", no_room)
    with pytest.raises(Exception, match="no capacity for any") as caught:
        harness.run()
    assert "t3.micro in subnet-" in str(caught.value)
    assert harness.holdings() == NOTHING


def test_own_groups_are_used_and_not_removed(harness: Harness) -> None:
    group = harness.ec2.create_security_group(GroupName="own", Description="own")["GroupId"]
    harness.ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )
    harness.run(spec(instance=instance(security_group=group)))
    assert harness.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert plan().network.security_group_id is None


def test_each_unknown_instance_type_is_named(harness: Harness) -> None:
    wanted = spec(instance=instance(types=["t3.micro", "t3.mikro", "x9.tiny"]))
    planned = make_plan(harness.image(wanted), harness.session, pin)
    first, second = check_plan(planned, harness.session)
    assert first.startswith("there is no instance type t3.mikro")
    assert "t3.micro" in first
    assert second.startswith("there is no instance type x9.tiny")
