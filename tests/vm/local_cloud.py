"""A local cloud of the tests' own, and amikiln's command line in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3

from amikiln.catalog.tags import TAG_IMAGE
from amikiln.runtime.progress import PlainReporter
from amikiln.runtime.wait import Waiter
from amikiln_localcloud import variables
from amikiln_localcloud.home import Home

MACHINE_NAMES = {"kvm": "amazon", "container": "systemd-nspawn", "emulated": "qemu"}
"""What a machine of each kind says it is: to its system, QEMU's firmware is Amazon's."""

IMAGE_DIRECTORY = Path(__file__).parent.parent.parent / "images" / "cpu-build"


ALONE = ("--set", "fleet.auto_scaling_groups=[]")
"""A run whose fleet is nobody's business: a group that does not exist is an error."""


class LocalCloud:
    """A local cloud of its own, and amikiln's command line in it.

    Args:
        state: Where it keeps everything.
        machines: The kind of its machines; by default what the environment or the host decides.
    """

    def __init__(self, state: Path, machines: str = "") -> None:
        self.home = Home(state=state / "cloud", cache=Home.default().cache)
        self.waiter = Waiter(PlainReporter())
        self.environment = {
            **os.environ,
            "AMIKILN_STATE": str(state),
            "AMIKILN_CACHE": str(self.home.cache),
        }
        self.amikiln("cloud", "up", *(["--machines", machines] if machines else []))
        self.first_content = self.amikiln("cloud", "content", "v1").stdout.strip()
        self.variables = values = variables.environment(self.home)
        session = boto3.Session(
            aws_access_key_id=values["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
            region_name=values["AWS_REGION"],
        )
        endpoint = values["AWS_ENDPOINT_URL"]
        self.ec2 = session.client("ec2", endpoint_url=endpoint)
        self.ssm = session.client("ssm", endpoint_url=endpoint)
        self.autoscaling = session.client("autoscaling", endpoint_url=endpoint)
        self.cloudformation = session.client("cloudformation", endpoint_url=endpoint)

    @property
    def machines(self) -> str:
        """The kind of its machines."""
        kind: str = json.loads(self.amikiln("cloud", "status", "--json").stdout)["machines"]
        return kind

    def amikiln(self, *words: object) -> subprocess.CompletedProcess[str]:
        done = self.amikiln_may_fail(*words)
        assert done.returncode == 0, done.stderr
        return done

    def amikiln_may_fail(self, *words: object) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "amikiln", *(str(word) for word in words)]
        return subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, check=False
        )

    def start_run(
        self, *options: str, program: Sequence[str] = ("-m", "amikiln")
    ) -> subprocess.Popen[str]:
        argv = [sys.executable, *program, "run", str(IMAGE_DIRECTORY), "--local"]
        return subprocess.Popen(
            [*argv, "--rebake", *ALONE, *options],
            env=self.environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def of_runs(self, image: str) -> dict[str, set[str]]:
        """Return what an image's runs made and have not taken back, by kind."""
        ours = [{"Name": f"tag:{TAG_IMAGE}", "Values": [image]}]
        reservations = self.ec2.describe_instances(Filters=ours)["Reservations"]
        instances = [i for r in reservations for i in r["Instances"]]
        return {
            "instances": {i["InstanceId"] for i in instances if i["State"]["Name"] != "terminated"},
            "keys": {k["KeyName"] for k in self.ec2.describe_key_pairs(Filters=ours)["KeyPairs"]},
            "groups": {
                g["GroupId"]
                for g in self.ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
            },
            "images": {i["ImageId"] for i in self.ec2.describe_images(Filters=ours)["Images"]},
        }

    def group_machine(self) -> dict[str, Any] | None:
        """Return the machine of the group cpu-build, when it runs."""
        groups = self.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        for instance in groups[0]["Instances"] if groups else []:
            found = self.ec2.describe_instances(InstanceIds=[instance["InstanceId"]])
            machine: dict[str, Any] = found["Reservations"][0]["Instances"][0]
            if machine["State"]["Name"] == "running":
                return machine
        return None


def read_until(process: subprocess.Popen[str], word: str) -> list[str]:
    """Return what a run said up to a word."""
    said: list[str] = []
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line)
        if word in line:
            return said
    raise AssertionError(f"ended without {word!r}: {''.join(said)}")
