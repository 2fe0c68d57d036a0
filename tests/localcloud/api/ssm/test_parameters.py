"""Parameter Store: what the pointer and the lease rely on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture

POINTER = "/buildkite/cpu-build-ami/us-east-1"
MISSING = "ami-0123456789abcdef0"


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = error.value.response["Error"]["Code"]
    return code


def put(cloud: CloudFixture, value: str, **options: Any) -> int:
    asked = {"Name": POINTER, "Type": "String", "Overwrite": True, **options}
    version: int = cloud.client("ssm").put_parameter(Value=value, **asked)["Version"]
    return version


def put_image(cloud: CloudFixture, image_id: str, **options: Any) -> int:
    return put(cloud, image_id, DataType="aws:ec2:image", **options)


def test_an_image_s_id_is_there_once_it_was_looked_up(cloud: CloudFixture) -> None:
    ssm = cloud.client("ssm")
    with cloud.hold_worker():
        assert put_image(cloud, cloud.base) == 1
        with pytest.raises(ClientError) as error:
            ssm.get_parameter(Name=POINTER)
        assert code_of(error) == "ParameterNotFound"
        with pytest.raises(ClientError) as error:
            put_image(cloud, cloud.base, Overwrite=False)
        assert code_of(error) == "ParameterAlreadyExists"
        assert put(cloud, "text behind it") == 2
    cloud.until_pointers_are_checked()
    history = ssm.get_parameter_history(Name=POINTER)["Parameters"]
    assert [(one["Version"], one["Value"], one["DataType"]) for one in history] == [
        (1, cloud.base, "aws:ec2:image"),
        (2, "text behind it", "text"),
    ]


def test_an_image_that_is_not_there_never_arrives(cloud: CloudFixture) -> None:
    put_image(cloud, cloud.base)
    cloud.until_pointers_are_checked()
    put_image(cloud, MISSING)
    cloud.until_pointers_are_checked()
    parameter = cloud.client("ssm").get_parameter(Name=POINTER)["Parameter"]
    assert (parameter["Value"], parameter["Version"]) == (cloud.base, 1)
    assert parameter["DataType"] == "aws:ec2:image"


def test_a_parameter_that_never_arrived_can_be_created(cloud: CloudFixture) -> None:
    put_image(cloud, MISSING, Overwrite=False)
    cloud.until_pointers_are_checked()
    assert put(cloud, "text", Overwrite=False) == 1
    assert cloud.client("ssm").get_parameter(Name=POINTER)["Parameter"]["DataType"] == "text"


def test_a_deleted_parameter_does_not_come_back(cloud: CloudFixture) -> None:
    put_image(cloud, cloud.base)
    cloud.until_pointers_are_checked()
    with cloud.hold_worker():
        put_image(cloud, cloud.base)
        cloud.client("ssm").delete_parameter(Name=POINTER)
    cloud.until_pointers_are_checked()
    assert cloud.client("ssm").describe_parameters()["Parameters"] == []


@pytest.mark.parametrize("value", ["not-an-image", "ami-XYZ", "ami-123"])
def test_what_is_no_image_id_is_refused(cloud: CloudFixture, value: str) -> None:
    with pytest.raises(ClientError) as error:
        put_image(cloud, value)
    assert code_of(error) == "ValidationException"


def test_create_has_one_winner(cloud: CloudFixture) -> None:
    ssm = cloud.client("ssm")

    def create(who: int) -> str:
        try:
            ssm.put_parameter(Name="/lease/1", Value=str(who), Type="String")
        except ClientError as error:
            code: str = error.response["Error"]["Code"]
            return code
        return "won"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(create, range(8)))
    assert outcomes == ["ParameterAlreadyExists"] * 7 + ["won"]


def test_labels_name_versions(cloud: CloudFixture) -> None:
    ssm = cloud.client("ssm")
    put(cloud, "one")
    put(cloud, "two")
    ssm.label_parameter_version(Name=POINTER, ParameterVersion=1, Labels=["stable"])
    assert ssm.get_parameter(Name=f"{POINTER}:stable")["Parameter"]["Value"] == "one"
    assert ssm.get_parameter(Name=f"{POINTER}:2")["Parameter"]["Value"] == "two"
    ssm.label_parameter_version(Name=POINTER, ParameterVersion=2, Labels=["stable"])
    assert ssm.get_parameter(Name=f"{POINTER}:stable")["Parameter"]["Value"] == "two"
    with pytest.raises(ClientError) as error:
        ssm.get_parameter(Name=f"{POINTER}:9")
    assert code_of(error) == "ParameterVersionNotFound"


def test_a_hundred_versions_and_no_labelled_one_is_lost(cloud: CloudFixture) -> None:
    ssm = cloud.client("ssm")
    for number in range(1, 102):
        of_an_image = number in (1, 50)
        put_it = put_image if of_an_image else put
        assert put_it(cloud, cloud.base if of_an_image else str(number)) == number
    cloud.until_pointers_are_checked()
    pages = ssm.get_paginator("get_parameter_history").paginate(Name=POINTER)
    versions = [one["Version"] for page in pages for one in page["Parameters"]]
    assert versions == list(range(2, 102))
    ssm.label_parameter_version(Name=POINTER, ParameterVersion=2, Labels=["oldest"])
    with pytest.raises(ClientError) as error:
        put(cloud, "102")
    assert code_of(error) == "ParameterMaxVersionLimitExceeded"
    with pytest.raises(ClientError) as error:
        put_image(cloud, cloud.base)
    assert code_of(error) == "ParameterMaxVersionLimitExceeded"
    ssm.unlabel_parameter_version(Name=POINTER, ParameterVersion=2, Labels=["oldest"])
    assert put_image(cloud, cloud.base) == 102
    cloud.until_pointers_are_checked()
    pages = ssm.get_paginator("get_parameter_history").paginate(Name=POINTER)
    versions = [one["Version"] for page in pages for one in page["Parameters"]]
    assert versions == list(range(3, 103))


def test_who_am_i(cloud: CloudFixture) -> None:
    identity = cloud.client("sts").get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert identity["Arn"].startswith("arn:aws:")


def test_a_name_without_a_path_is_the_same_with_a_slash(cloud: CloudFixture) -> None:
    put_image(cloud, cloud.base, Name="/pointer")
    cloud.until_pointers_are_checked()
    assert cloud.client("ssm").get_parameter(Name="pointer")["Parameter"]["Value"] == cloud.base


def test_plain_text_cannot_become_an_image_s_id(cloud: CloudFixture) -> None:
    put(cloud, cloud.base)
    with pytest.raises(ClientError) as error:
        put_image(cloud, cloud.base)
    assert code_of(error) == "ValidationException"
    found = cloud.client("ssm").get_parameter(Name=POINTER)["Parameter"]
    assert (found["Version"], found["DataType"]) == (1, "text")
