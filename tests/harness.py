"""What a test needs to run stages: an account in the local cloud, fake machines and guests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from amikiln import pipeline
from amikiln.aws.connect import connect
from amikiln.aws.recent import Recent
from amikiln.catalog.tags import TAG_IMAGE
from amikiln.model.plan import Plan
from amikiln.model.plan_file import PlanFile
from amikiln.model.result import RunResult
from amikiln.plan.resolve import plan as real_plan
from amikiln.plan.reuse import use_plan
from amikiln.recipe import scanner
from amikiln.runtime.guest import Login
from amikiln.runtime.wait import Waiter
from amikiln.session import Session
from amikiln.spec.load import ImageFolder
from amikiln.spec.own_files import read_checks, read_steps
from amikiln.spec.spec import Spec
from fakes import FAKE_SCANNER, FakeGuest, Recorder, Script, obey, pin, spec
from localcloud.fixture import Keys

POINTER = "/buildkite/cpu-build-ami/us-east-1"
FOLLOWED = {"auto_scaling_groups": ["cpu-build"]}
"""A fleet of one group, which a test has to make."""


LONGEST_PAUSE_SECONDS = 0.01
"""Fake machines take milliseconds."""


NEW_SECONDS = 10
"""How long what was made is waited for, by a clock that runs faster: at least half a second."""


def pause_briefly(seconds: float) -> None:
    time.sleep(min(seconds, LONGEST_PAUSE_SECONDS))


class FastClock:
    """A clock on which a pause takes as long as it should, and took almost no time."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def read(self) -> float:
        return time.monotonic() + self._skipped

    def pause(self, seconds: float) -> None:
        pause_briefly(seconds)
        self._skipped += max(0.0, seconds - LONGEST_PAUSE_SECONDS)


def remember_recent(report: Recorder) -> Recent:
    """Return what waits for what AWS does not show yet, without taking minutes for it."""
    clock = FastClock()
    return Recent(Waiter(report, clock.read, clock.pause), NEW_SECONDS)


class Harness:
    """A cloud, fake guests, and the session that leads to them.

    Args:
        cloud: The local cloud's fixture.
        folder: Where files go.
        keys: Who makes the session's calls; the administrator by default.

    Attributes:
        wanted: What ``run`` makes unless it is given another spec.
    """

    def __init__(self, cloud: Any, folder: Path, keys: Keys | None = None) -> None:
        self.cloud = cloud
        self.boto = cloud.session("us-east-1")
        self.hypervisor = cloud.hypervisor
        self.ec2 = self.boto.client("ec2")
        self.ssm = self.boto.client("ssm")
        self.script = Script()
        self.report = Recorder()
        self.session = Session(
            connect("us-east-1", cloud.session("us-east-1", keys), remember_recent(self.report)),
            self.report,
            Waiter(self.report, pause=pause_briefly),
            self.guest,
        )
        self.folder = folder
        self.wanted = spec()
        (folder / "warm").mkdir(exist_ok=True)
        (folder / "warm" / "Dockerfile").write_text("FROM scratch\n")

    def image(self, wanted: Spec | None = None) -> ImageFolder:
        """Return the harness's folder as an image's, with this spec for its image.toml."""
        steps, checks = read_steps(self.folder, []), read_checks(self.folder, [])
        return ImageFolder(self.folder, wanted or spec(), steps, checks)

    def clients(self) -> list[Any]:
        """Return the boto3 clients that the stages use."""
        cloud = self.session.cloud
        return [cloud.instances._client, cloud.parameters._client, cloud.autoscaling._autoscaling]

    def guest(self, login: Login) -> FakeGuest:
        return FakeGuest(login, self.script)

    def run(self, wanted: Spec | None = None, **options: Any) -> RunResult:
        wanted = wanted or self.wanted
        run, verdict_file = pipeline.new_run(wanted.name), self.folder / "verdict.json"
        return pipeline.run(self.image(wanted), run, self.session, verdict_file, **options)

    def follow(self) -> None:
        """Make the group that FOLLOWED names, without machines, and let runs want it."""
        # A group is made from an image that there is; the pointer may come later.
        template = {"ImageId": self.cloud.base, "InstanceType": "t3.micro"}
        self.ec2.create_launch_template(LaunchTemplateName="cpu-build", LaunchTemplateData=template)
        self.boto.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName="cpu-build",
            MinSize=0,
            MaxSize=1,
            AvailabilityZones=["us-east-1a"],
            LaunchTemplate={"LaunchTemplateName": "cpu-build", "Version": "$Latest"},
        )
        self.ec2.create_launch_template_version(
            LaunchTemplateName="cpu-build",
            LaunchTemplateData={**template, "ImageId": f"resolve:ssm:{POINTER}"},
        )
        self.wanted = spec(fleet=FOLLOWED)

    def holdings(self) -> dict[str, list[str]]:
        """Return everything in the account that a run could have left."""
        ours = [{"Name": "tag-key", "Values": [TAG_IMAGE]}]
        reservations = self.ec2.describe_instances(Filters=ours)["Reservations"]
        instances = [i for r in reservations for i in r["Instances"]]
        return {
            "instances": [i["InstanceId"] for i in instances if i["State"]["Name"] != "terminated"],
            "keys": [k["KeyName"] for k in self.ec2.describe_key_pairs()["KeyPairs"]],
            "groups": [
                g["GroupId"]
                for g in self.ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
            ],
            "images": [i["ImageId"] for i in self.ec2.describe_images(Owners=["self"])["Images"]],
            "snapshots": [
                s["SnapshotId"] for s in self.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
            ],
            "volumes": [v["VolumeId"] for v in self.ec2.describe_volumes(Filters=ours)["Volumes"]],
        }

    def pointer(self) -> str | None:
        found = self.ssm.get_parameters(Names=[POINTER])["Parameters"]
        return found[0]["Value"] if found else None


@contextmanager
def use_fakes(harness: Harness) -> Iterator[Harness]:
    """During the block, plans ask no registry, guests look as planned, and the scanner is tiny."""

    def plan_and_obey(folder: ImageFolder, session: Session) -> Plan:
        planned = real_plan(folder, session, pin)
        obey(harness.script, planned)
        return planned

    def reuse_and_obey(file: PlanFile, folder: ImageFolder, session: Session) -> Plan:
        planned = use_plan(file, folder, session, pin)
        obey(harness.script, planned)
        return planned

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "plan", plan_and_obey)
        patch.setattr(pipeline, "use_plan", reuse_and_obey)
        # The real one is 30 MB to read and pack in every bake; tests/recipe runs it.
        patch.setattr(scanner, "read_files", lambda rules, architecture: FAKE_SCANNER)
        yield harness


NOTHING: dict[str, list[str]] = {
    kind: [] for kind in ("instances", "keys", "groups", "images", "snapshots", "volumes")
}
