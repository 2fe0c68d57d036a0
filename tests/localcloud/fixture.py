"""The real server of the local cloud, in this process, with fake machines."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import create_loader

from amikiln_localcloud.api import server
from amikiln_localcloud.api.base_image import register_base
from amikiln_localcloud.api.cloud import Cloud, Timeouts
from amikiln_localcloud.api.ec2 import lazy_instance_types
from amikiln_localcloud.api.ec2.images import LocalImage
from amikiln_localcloud.api.late import Lateness
from amikiln_localcloud.api.persistence import restore
from amikiln_localcloud.api.server import Server
from amikiln_localcloud.home import Home
from localcloud.fakes import FakeHypervisor, make_base

LONGEST_WAIT_SECONDS = 20
LONGEST_BETWEEN_LOOKS_SECONDS = 0.1
REGION = "us-east-1"

# How long a server takes to notice that it has to stop: hundreds of tests start one.
server.STOP_LATENCY_SECONDS = 0.005
# A daemon saves memory by parsing the instance types for each request; tests save time.
lazy_instance_types._load_resource = functools.cache(lazy_instance_types._load_resource)

Keys = tuple[str, str]
"""An access key's id and its secret."""
ANYBODY: Keys = ("AKIALOCALCLOUDTEST00", "worth-nothing")


class CloudFixture:
    """A running local cloud.

    Args:
        directory: Its files.
        late: How late it shows new things; at once by default.

    Attributes:
        endpoint: Its URL.
        keys: Who makes the sessions' calls.
        hypervisor: Makes its fake machines.
        base: The base image's id.
    """

    def __init__(self, directory: Path, late: Lateness | None = None) -> None:
        self.keys = ANYBODY
        self.late = late
        self.home = Home(state=directory / "state", cache=directory / "cache")
        self.start()

    def start(self) -> None:
        """Start what runs in a daemon, as after ``amikiln cloud up``."""
        self._sessions: dict[tuple[str, Keys], LocalSession] = {}
        self._clients: dict[tuple[str, str], Any] = {}
        self.hypervisor = FakeHypervisor()
        self.cloud = Cloud(
            self.home,
            self.hypervisor,
            Timeouts(relaunch_first=0.01, relaunch_longest=0.05),
            self.late,
        )
        self.hypervisor.lock = self.cloud.lock
        self.server = Server(self.cloud)
        restore(self.cloud)
        self.base_image: LocalImage = register_base(
            self.cloud, make_base(self.home.cache), key="0123456789abcdef", size_gib=4
        )
        self.base = self.base_image.id
        self.server.start()
        self.endpoint = self.server.endpoint

    def restart(self) -> None:
        """Stop and start again, as ``amikiln cloud down`` and ``up`` do."""
        self.stop()
        self.start()

    def stop(self) -> None:
        self.server.stop()

    def session(self, region: str = REGION, keys: Keys | None = None) -> boto3.Session:
        """Return a session whose clients reach this cloud and no other."""
        who = keys or self.keys
        if (region, who) not in self._sessions:
            self._sessions[region, who] = LocalSession(self.endpoint, region, who)
        return self._sessions[region, who]

    def client(self, service: str, region: str = REGION) -> Any:
        if (service, region) not in self._clients:
            self._clients[service, region] = self.session(region).client(service)
        return self._clients[service, region]

    def until(self, condition: Callable[[], bool], what: str = "a condition") -> None:
        """Wait for a condition, which is looked at after each change of the cloud.

        And now and then, because fake machines change without the cloud's knowledge.
        """
        deadline = time.monotonic() + LONGEST_WAIT_SECONDS
        while not self.cloud.wait_until(condition, LONGEST_BETWEEN_LOOKS_SECONDS):
            assert time.monotonic() < deadline, f"never came true: {what}"

    def until_state(self, instance_id: str, state: str) -> dict[str, Any]:
        """Wait until DescribeInstances says this state, and return what it says."""
        ec2 = self.client("ec2")

        def described() -> dict[str, Any]:
            found = ec2.describe_instances(InstanceIds=[instance_id])
            instance: dict[str, Any] = found["Reservations"][0]["Instances"][0]
            return instance

        backend = self.backend
        self.until(
            lambda: backend.get_instance(instance_id).state == state,
            f"{instance_id} {state}, it is {described()['State']['Name']}",
        )
        return described()

    def until_image(self, image_id: str, state: str) -> dict[str, Any]:
        """Wait until DescribeImages says this state, and return what it says."""
        backend = self.backend
        self.until(lambda: backend.amis[image_id].state == state, f"{image_id} {state}")
        image: dict[str, Any] = self.client("ec2").describe_images(ImageIds=[image_id])["Images"][0]
        return image

    def until_pointers_are_checked(self) -> None:
        """Wait until every image that a parameter was to name has been looked up."""
        from moto.ssm.models import ssm_backends

        backend: Any = ssm_backends["123456789012"][REGION]
        self.until(lambda: not backend._unchecked, "the parameters' images looked up")

    def until_at_rest(self) -> None:
        """Wait until no instance, image or pointer of the default region is about to change."""
        ec2, ssm = self.backend, self.ssm_backend

        def at_rest() -> bool:
            instances = [i for r in ec2.reservations.values() for i in r.instances]
            moving = {"pending", "stopping", "shutting-down"}
            return (
                not any(instance.state in moving for instance in instances)
                and not any(image.state == "pending" for image in ec2.amis.values())
                and not ssm._unchecked
            )

        self.until(at_rest, "the cloud at rest")

    @contextmanager
    def hold_worker(self) -> Iterator[None]:
        """Stop the background work that follows requests, during the block."""
        go_on = threading.Event()

        def hold() -> None:
            go_on.wait(LONGEST_WAIT_SECONDS)

        self.cloud.worker.submit(hold)
        try:
            yield
        finally:
            go_on.set()

    @property
    def backend(self) -> Any:
        """moto's EC2 of the default region."""
        return self.backend_of(REGION)

    def backend_of(self, region: str) -> Any:
        # Imported here: the overrides have to be imported before moto, as in the daemon.
        from moto.ec2.models import ec2_backends

        with self.cloud.lock:
            return ec2_backends["123456789012"][region]

    @property
    def autoscaling_backend(self) -> Any:
        """moto's Auto Scaling of the default region."""
        from moto.autoscaling.models import autoscaling_backends

        with self.cloud.lock:
            return autoscaling_backends["123456789012"][REGION]

    @property
    def ssm_backend(self) -> Any:
        """moto's Systems Manager of the default region."""
        from moto.ssm.models import ssm_backends

        with self.cloud.lock:
            return ssm_backends["123456789012"][REGION]

    def run(self, **options: Any) -> str:
        """Run one instance and return its id; it boots in the background."""
        asked = {
            "ImageId": self.base,
            "MinCount": 1,
            "MaxCount": 1,
            "InstanceType": "t3.small",
            **options,
        }
        instance_id: str = self.client("ec2").run_instances(**asked)["Instances"][0]["InstanceId"]
        return instance_id

    def run_to(self, state: str = "running", **options: Any) -> str:
        instance_id = self.run(**options)
        self.until_state(instance_id, state)
        return instance_id


class LocalSession(boto3.Session):
    """A session bound to one endpoint, with keys that are worth nothing elsewhere."""

    # Parsing EC2's model takes most of a second; every session's clients share it.
    loader = create_loader()

    def __init__(self, endpoint: str, region: str, keys: Keys = ANYBODY) -> None:
        inner = botocore.session.get_session()
        inner.register_component("data_loader", self.loader)
        super().__init__(
            botocore_session=inner,
            aws_access_key_id=keys[0],
            aws_secret_access_key=keys[1],
            region_name=region,
        )
        self._endpoint = endpoint

    def client(self, service_name: str, **options: Any) -> Any:  # type: ignore[override]
        # No retries: an error of the server shows at once, as what it is.
        config = Config(retries={"max_attempts": 0}).merge(options.pop("config", None) or Config())
        options.setdefault("endpoint_url", self._endpoint)
        return super().client(service_name, config=config, **options)  # type: ignore[call-overload]
