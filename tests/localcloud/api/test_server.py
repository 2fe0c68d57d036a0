"""The server: one lock, a log without secrets, loopback only, errors that clients understand."""

from __future__ import annotations

import base64
import http.client
import logging
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from amikiln.aws.connect import connect
from amikiln_localcloud.api import server
from localcloud.fixture import CloudFixture


def request(
    cloud: CloudFixture, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.server.port, timeout=20)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_log_names_actions_and_errors_but_no_secret(
    cloud: CloudFixture, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "a-secret-of-ours"
    material = cloud.client("ec2").create_key_pair(KeyName="k")["KeyMaterial"]
    instance_id = cloud.run_to("running", UserData=f"#!/bin/sh\necho {secret}")
    cloud.client("ssm").put_parameter(Name="/s", Value=secret, Type="SecureString")
    with pytest.raises(ClientError):
        cloud.client("ec2").describe_instances(InstanceIds=["i-0123456789abcdef0"])
    told = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("amikiln")
    )
    assert "RunInstances 200 " in told
    assert "PutParameter 200 " in told
    assert "DescribeInstances 400 InvalidInstanceID.NotFound " in told
    encoded = base64.b64encode(f"#!/bin/sh\necho {secret}".encode()).decode()
    assert instance_id
    for hidden in (secret, encoded, material.splitlines()[1]):
        assert hidden not in told
    assert capfd.readouterr() == ("", "")


def test_only_loopback_is_listened_on(cloud: CloudFixture) -> None:
    listening = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        address, port = fields[1].split(":")
        if fields[3] == "0A" and int(port, 16) == cloud.server.port:
            listening.append(socket.inet_ntoa(bytes.fromhex(address)[::-1]))
    assert listening == ["127.0.0.1"]


def test_other_names_for_loopback_are_refused(cloud: CloudFixture) -> None:
    status, _ = request(cloud, "POST", "/", {"Host": "evil.example:80"})
    assert status == 403


def test_web_pages_may_not_read_answers(cloud: CloudFixture) -> None:
    """No Access-Control-Allow-Origin, which moto sends unless it is told not to."""
    connection = http.client.HTTPConnection("127.0.0.1", cloud.server.port, timeout=20)
    body = "Action=DescribeImages&Version=2016-11-15"
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/ec2/aws4_request",
        "Content-Type": "application/x-www-form-urlencoded",
        "Origin": "http://evil.example",
    }
    try:
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        assert b"DescribeImagesResponse" in answer.read()
        assert not [name for name, _ in answer.getheaders() if name.startswith("Access-Control")]
    finally:
        connection.close()


def test_moto_s_own_interface_is_not_served(cloud: CloudFixture) -> None:
    status, _ = request(cloud, "POST", "/moto-api/reset")
    assert status == 404
    assert cloud.client("ec2").describe_images()["Images"]


@pytest.mark.parametrize(
    ("service", "call", "options"),
    [
        ("ec2", "create_verified_access_trust_provider", {}),
        ("ssm", "create_ops_metadata", {"ResourceId": "x"}),
        ("autoscaling", "start_instance_refresh", {"AutoScalingGroupName": "g"}),
    ],
)
def test_what_is_not_there_is_said_in_the_service_s_form(
    cloud: CloudFixture, service: str, call: str, options: dict[str, Any]
) -> None:
    if call == "create_verified_access_trust_provider":
        options = {"TrustProviderType": "user", "PolicyReferenceName": "x"}
    with pytest.raises(ClientError) as error:
        getattr(cloud.client(service), call)(**options)
    told = error.value.response["Error"]
    assert told["Code"] == "UnsupportedOperation"
    assert "local cloud" in told["Message"]


def test_a_fault_of_ours_is_an_error_of_the_service_and_is_logged(
    cloud: CloudFixture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*args: object, **options: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(type(cloud.backend), "run_instances", break_down)
    with pytest.raises(ClientError) as error:
        cloud.run()
    assert error.value.response["Error"]["Code"] == "InternalError"
    assert "a fault of ours" in caplog.text
    assert cloud.client("ec2").describe_images()["Images"]


def test_requests_wait_for_each_other_and_for_background_changes(cloud: CloudFixture) -> None:
    answered = threading.Event()

    def ask() -> None:
        cloud.client("ec2").describe_instances()
        answered.set()

    # Made before: making a client takes long, and is not what is tested.
    cloud.client("ec2")
    with cloud.cloud.lock:
        thread = threading.Thread(target=ask)
        thread.start()
        assert not answered.wait(0.2)
    assert answered.wait(20)
    thread.join()


def test_many_clients_at_once(cloud: CloudFixture) -> None:
    ids: list[str] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            instance_id = cloud.run_to("running")
            cloud.client("ec2").create_tags(
                Resources=[instance_id], Tags=[{"Key": "a", "Value": "b"}]
            )
            cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
            cloud.until_state(instance_id, "terminated")
            ids.append(instance_id)
        except BaseException as error:
            failures.append(error)

    cloud.client("ec2")
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(ids)) == 8


def test_stopping_destroys_machines_and_records_nothing_of_it(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    hypervisor = cloud.hypervisor
    cloud.restart()
    assert hypervisor.closed
    assert hypervisor.machines[instance_id].destroyed
    assert cloud.client("ec2").describe_instances()["Reservations"] == []


def test_every_answer_says_that_this_is_no_aws_and_which_cloud_it_is(cloud: CloudFixture) -> None:
    def read_identity() -> Any:
        answer = cloud.client("ec2").describe_images()
        return answer["ResponseMetadata"]["HTTPHeaders"]["x-amikiln-cloud"]

    first = read_identity()
    assert first.startswith("local-")
    with pytest.raises(ClientError) as caught:
        cloud.client("ssm").get_parameter(Name="/missing")
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amikiln-cloud"] == first
    assert connect("us-east-1", cloud.session()).name == first
    cloud.restart()
    assert read_identity() == first
    cloud.stop()
    cloud.home.identity.unlink()  # as a reset does, with all the rest
    cloud.start()
    assert read_identity() != first


def test_a_cloud_that_says_nothing_is_aws(
    cloud: CloudFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "IDENTITY", "server")
    assert connect("us-east-1", cloud.session()).name == "aws"
