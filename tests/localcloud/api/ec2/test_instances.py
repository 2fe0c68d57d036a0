"""Instances are machines: true states, reasons and answers."""

from __future__ import annotations

import base64
import threading

import pytest
from botocore.exceptions import ClientError

from localcloud.fixture import CloudFixture


def test_pending_until_the_machine_runs(cloud: CloudFixture) -> None:
    cloud.hypervisor.hold("start")
    instance_id = cloud.run()
    cloud.until(lambda: instance_id in cloud.hypervisor.machines)
    described = cloud.until_state(instance_id, "pending")
    assert described["State"] == {"Code": 0, "Name": "pending"}
    assert "PublicIpAddress" not in described
    cloud.hypervisor.release("start")
    described = cloud.until_state(instance_id, "running")
    assert described["State"]["Code"] == 16
    assert described["PublicIpAddress"] == cloud.hypervisor.machines[instance_id].address
    assert described["PrivateIpAddress"] == described["PublicIpAddress"]
    assert not described.get("PublicDnsName")


def test_a_machine_that_cannot_start_is_terminated_with_the_reason(cloud: CloudFixture) -> None:
    cloud.hypervisor.fail_next("start", "qemu-system-x86_64: cannot allocate memory")
    described = cloud.until_state(cloud.run(), "terminated")
    assert described["StateReason"] == {
        "Code": "Server.InternalError",
        "Message": "Server.InternalError: qemu-system-x86_64: cannot allocate memory",
    }
    assert "cannot allocate memory" in described["StateTransitionReason"]


def test_a_machine_that_cannot_be_made_is_terminated_with_the_reason(cloud: CloudFixture) -> None:
    cloud.hypervisor.fail_next("create", "no address is free")
    described = cloud.until_state(cloud.run(), "terminated")
    assert "no address is free" in described["StateReason"]["Message"]


def test_an_unexpected_failure_does_not_leave_an_instance_pending(
    cloud: CloudFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(plan: object) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(cloud.hypervisor, "create", break_down)
    described = cloud.until_state(cloud.run(), "terminated")
    assert "a fault of ours" in described["StateReason"]["Message"]


def test_stop_and_start(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to("running")
    machine = cloud.hypervisor.machines[instance_id]
    cloud.hypervisor.hold("stop")
    answer = ec2.stop_instances(InstanceIds=[instance_id])["StoppingInstances"][0]
    assert answer["CurrentState"]["Name"] == "stopping"
    assert answer["PreviousState"]["Name"] == "running"
    assert cloud.until_state(instance_id, "stopping")["State"]["Code"] == 64
    cloud.hypervisor.release("stop")
    stopped = cloud.until_state(instance_id, "stopped")
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert stopped["StateTransitionReason"].startswith("User initiated (")
    assert "PublicIpAddress" not in stopped
    assert machine.stops == [cloud.cloud.timeouts.stop]
    again = ec2.stop_instances(InstanceIds=[instance_id])["StoppingInstances"][0]
    assert again["CurrentState"]["Name"] == "stopped"

    answer = ec2.start_instances(InstanceIds=[instance_id])["StartingInstances"][0]
    assert answer["CurrentState"]["Name"] == "pending"
    running = cloud.until_state(instance_id, "running")
    assert running["PublicIpAddress"] == machine.address
    assert machine.boots == 2


def test_a_forced_stop_does_not_wait(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    cloud.client("ec2").stop_instances(InstanceIds=[instance_id], Force=True)
    cloud.until_state(instance_id, "stopped")
    assert cloud.hypervisor.machines[instance_id].stops == [0.0]


def test_a_start_that_fails_leaves_it_stopped(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    ec2 = cloud.client("ec2")
    ec2.stop_instances(InstanceIds=[instance_id])
    cloud.until_state(instance_id, "stopped")
    cloud.hypervisor.fail_next("start", "the kernel is gone")
    ec2.start_instances(InstanceIds=[instance_id])
    described = cloud.until_state(instance_id, "stopped")
    assert "the kernel is gone" in described["StateReason"]["Message"]


def test_reboot_keeps_running(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running")
    machine = cloud.hypervisor.machines[instance_id]
    rebooted = threading.Event()
    cloud.client("ec2").reboot_instances(InstanceIds=[instance_id])
    # Queued behind the reboot. A stop requested earlier would make the reboot needless.
    cloud.backend.get_instance(instance_id).do_with_machine(lambda _: rebooted.set())
    assert rebooted.wait(20)
    assert machine.reboots == 1
    assert cloud.until_state(instance_id, "running")


def test_terminate_is_idempotent_and_stays_visible(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to("running")
    answer = ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert answer["CurrentState"]["Name"] == "shutting-down"
    described = cloud.until_state(instance_id, "terminated")
    assert described["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert described["StateTransitionReason"].startswith("User initiated (")
    assert "PublicIpAddress" not in described
    assert cloud.hypervisor.machines[instance_id].destroyed
    answer = ec2.terminate_instances(InstanceIds=[instance_id])["TerminatingInstances"][0]
    assert answer["CurrentState"]["Name"] == "terminated"
    assert answer["PreviousState"]["Name"] == "terminated"
    assert ec2.describe_volumes()["Volumes"] == []


@pytest.mark.parametrize("step", ["create", "start"])
def test_terminating_a_machine_that_is_being_made_leaves_none(
    cloud: CloudFixture, step: str
) -> None:
    cloud.hypervisor.hold(step)
    instance_id = cloud.run()
    cloud.client("ec2").terminate_instances(InstanceIds=[instance_id])
    cloud.hypervisor.release(step)
    cloud.until_state(instance_id, "terminated")
    machine = cloud.hypervisor.machines.get(instance_id)
    assert machine is None or (machine.destroyed and not machine.running)


def test_terminating_does_not_wait_for_a_slow_stop(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to("running")
    cloud.hypervisor.hold("stop")
    ec2.stop_instances(InstanceIds=[instance_id])
    ec2.terminate_instances(InstanceIds=[instance_id])
    machine = cloud.hypervisor.machines[instance_id]
    assert machine.was_destroyed.wait(20)
    cloud.hypervisor.release("stop")
    cloud.until_state(instance_id, "terminated")


@pytest.mark.parametrize(("behaviour", "state"), [("stop", "stopped"), ("terminate", "terminated")])
def test_shutdown_from_inside_does_what_it_was_told_to(
    cloud: CloudFixture, behaviour: str, state: str
) -> None:
    instance_id = cloud.run_to("running", InstanceInitiatedShutdownBehavior=behaviour)
    cloud.hypervisor.machines[instance_id].shut_down_from_inside()
    described = cloud.until_state(instance_id, state)
    assert described["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"


def test_a_virtual_machine_that_dies_is_stopped_and_says_so(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running", InstanceInitiatedShutdownBehavior="terminate")
    cloud.hypervisor.machines[instance_id].die()
    described = cloud.until_state(instance_id, "stopped")
    assert described["StateReason"]["Code"] == "Server.InternalError"
    assert "QEMU exited with -9" in described["StateReason"]["Message"]


def test_states_that_do_not_allow_an_action(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to("running")
    ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.until_state(instance_id, "terminated")
    for action in (ec2.start_instances, ec2.stop_instances, ec2.reboot_instances):
        with pytest.raises(ClientError) as error:
            action(InstanceIds=[instance_id])
        assert error.value.response["Error"]["Code"] == "IncorrectInstanceState"


def test_a_guest_that_panics_is_impaired_and_keeps_its_console(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to("running")
    status = ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"][0]
    assert status["InstanceStatus"]["Status"] == "ok"
    cloud.hypervisor.machines[instance_id].panic()
    status = ec2.describe_instance_status(InstanceIds=[instance_id])["InstanceStatuses"][0]
    assert status["InstanceState"]["Name"] == "running"
    assert status["InstanceStatus"]["Status"] == "impaired"
    assert status["InstanceStatus"]["Details"][0]["Status"] == "failed"
    assert "ImpairedSince" in status["InstanceStatus"]["Details"][0]
    assert status["SystemStatus"]["Status"] == "ok"
    output = ec2.get_console_output(InstanceId=instance_id)["Output"]
    assert "Kernel panic" in output


def test_the_console_survives_the_machine_and_any_byte_in_it(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to("running")
    cloud.hypervisor.machines[instance_id].output = b"\xff\x1b[0m" + b"x" * 70_000 + b"the end"
    ec2.terminate_instances(InstanceIds=[instance_id])
    cloud.until_state(instance_id, "terminated")
    output = ec2.get_console_output(InstanceId=instance_id)["Output"]
    assert output.endswith("the end")
    assert len(output) == 64 * 1024


def test_the_guest_is_told_what_the_request_said(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    ec2.create_key_pair(KeyName="run-1", KeyType="ed25519")
    script = "#!/bin/sh\necho 'secret'\n"
    instance_id = cloud.run_to(
        "running",
        KeyName="run-1",
        UserData=script,
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
    )
    metadata = cloud.hypervisor.machines[instance_id].plan.metadata()
    assert metadata.user_data == script.encode()
    assert metadata.public_keys["run-1"].startswith("ssh-ed25519 ")
    assert metadata.token_required
    assert (metadata.instance_id, metadata.ami_id) == (instance_id, cloud.base)
    assert (metadata.region, metadata.availability_zone) == ("us-east-1", "us-east-1a")
    assert metadata.public_ip == cloud.hypervisor.machines[instance_id].address


def test_metadata_options_change_one_by_one(cloud: CloudFixture) -> None:
    ec2 = cloud.client("ec2")
    instance_id = cloud.run_to("running", MetadataOptions={"HttpTokens": "required"})
    ec2.modify_instance_metadata_options(InstanceId=instance_id, HttpPutResponseHopLimit=3)
    options = cloud.until_state(instance_id, "running")["MetadataOptions"]
    assert options["HttpTokens"] == "required"
    assert options["HttpPutResponseHopLimit"] == 3
    assert options["HttpEndpoint"] == "enabled"
    ec2.modify_instance_metadata_options(InstanceId=instance_id, HttpTokens="optional")
    assert not cloud.hypervisor.machines[instance_id].plan.metadata().token_required


def test_user_data_is_given_back_as_it_came(cloud: CloudFixture) -> None:
    instance_id = cloud.run_to("running", UserData=b"#!/bin/sh\n\xff\x00")
    answer = cloud.client("ec2").describe_instance_attribute(
        InstanceId=instance_id, Attribute="userData"
    )
    assert base64.b64decode(answer["UserData"]["Value"]) == b"#!/bin/sh\n\xff\x00"
    assert cloud.hypervisor.machines[instance_id].plan.metadata().user_data.endswith(b"\xff\x00")
