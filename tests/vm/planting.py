"""Faults are planted on a machine that was booted from a proven image, and kept as images."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amikiln.catalog.tags import TAG_RUN
from amikiln.machine import keys
from amikiln.machine.ssh import SshGuest
from amikiln.machine.user_data import render_user_data
from amikiln.runtime.guest import Login
from vm.local_cloud import LocalCloud

BOOT_SECONDS = 300
IMAGE_SECONDS = 300


class Planter:
    """One machine of a proven image, out of which many images with a fault are made."""

    def __init__(self, cloud: LocalCloud, image_id: str, made: keys.Keys) -> None:
        self._cloud = cloud
        self._image = cloud.ec2.describe_images(ImageIds=[image_id])["Images"][0]
        self._made: list[str] = []
        cloud.ec2.import_key_pair(
            KeyName="planter", PublicKeyMaterial=made.public(made.ours).encode()
        )
        launched = cloud.ec2.run_instances(
            ImageId=image_id,
            InstanceType="t3.medium",
            KeyName="planter",
            MinCount=1,
            MaxCount=1,
            UserData=render_user_data(made, 60),
        )
        self._instance = launched["Instances"][0]["InstanceId"]
        wait = cloud.waiter.until
        address = wait(self._address, what="the planter's address", deadline_seconds=60)
        self.guest = SshGuest(Login(address, "ec2-user", made.directory))
        wait(
            lambda: True if self.guest.knock() is None else None,
            what="ssh to the planter",
            deadline_seconds=BOOT_SECONDS,
        )
        self.run("systemctl is-system-running --wait || true")

    def run(self, command: str, *, input: bytes | None = None) -> str:
        """Run something as root."""
        return self.guest.run(command, input=input, timeout_seconds=BOOT_SECONDS)

    def image(self, name: str) -> str:
        """Keep the disk as it is now, under the proven image's tags, and return the image's id."""
        # What the bake's seal does, so that nothing but the fault is new.
        self.run(": >/etc/machine-id; sync --file-system /")
        tags = [tag for tag in self._image["Tags"] if tag["Key"] != TAG_RUN]
        made = self._cloud.ec2.create_image(
            InstanceId=self._instance,
            Name=f"planted-{name}",
            NoReboot=True,
            TagSpecifications=[{"ResourceType": "image", "Tags": tags}],
        )["ImageId"]
        self._made.append(made)
        self._cloud.waiter.until(
            lambda: self._written(made), what=f"image {made}", deadline_seconds=IMAGE_SECONDS
        )
        return str(made)

    def close(self) -> None:
        """Remove the machine and the images that were made from it."""
        self.guest.leave()
        self._cloud.ec2.terminate_instances(InstanceIds=[self._instance])
        self._cloud.ec2.delete_key_pair(KeyName="planter")
        for image_id in self._made:
            self._cloud.ec2.deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)

    def _address(self) -> str | None:
        found = self._cloud.ec2.describe_instances(InstanceIds=[self._instance])
        machine: dict[str, Any] = found["Reservations"][0]["Instances"][0]
        return machine.get("PublicIpAddress") if machine["State"]["Name"] == "running" else None

    def _written(self, image_id: str) -> bool | None:
        image = self._cloud.ec2.describe_images(ImageIds=[image_id])["Images"][0]
        state = image["State"]
        assert state in {"pending", "available"}, image.get("StateReason")
        return True if state == "available" else None


@contextmanager
def planter(cloud: LocalCloud, image_id: str) -> Iterator[Planter]:
    """Give a planter that is gone afterwards, with everything it made."""
    with tempfile.TemporaryDirectory(prefix="planter-") as directory:
        found = Planter(cloud, image_id, keys.make_keys(Path(directory)))
        try:
            yield found
        finally:
            found.close()
