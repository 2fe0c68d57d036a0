"""Real Packer builds an AMI against the local cloud with an ordinary amazon-ebs template."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from vm.local_cloud import LocalCloud

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(shutil.which("packer") is None, reason="not run: there is no Packer here"),
]

# What Packer 1.6.6, the one that Debian has, takes; today's takes it too, but for the endpoint.
TEMPLATE = """
source "amazon-ebs" "image" {{
  access_key          = "{access_key}"
  secret_key          = "{secret_key}"
  region              = "us-east-1"
  custom_endpoint_ec2 = "{endpoint}"
  ami_name            = "packer-{user}"
  source_ami          = "{source}"
  instance_type       = "t3.medium"
  ssh_username        = "{user}"
  ssh_timeout         = "5m"
  tags                = {{ Build = "packer" }}
  snapshot_tags       = {{ Build = "packer-snapshot" }}
  run_tags            = {{ Run = "packer" }}
  aws_polling {{
    delay_seconds = 1
    max_attempts  = 500
  }}
  launch_block_device_mappings {{
    device_name           = "/dev/sda1"
    volume_type           = "gp3"
    iops                  = 4000
    throughput            = 250
    volume_size           = 10
    delete_on_termination = true
  }}
  ami_block_device_mappings {{
    device_name           = "/dev/sda1"
    volume_type           = "gp3"
    iops                  = 4000
    throughput            = 250
    volume_size           = 10
    delete_on_termination = true
  }}
}}
build {{
  sources = ["source.amazon-ebs.image"]
  provisioner "shell" {{ inline = ["echo hello | sudo tee /etc/packer-was-here", "id -un"] }}
}}
"""


@pytest.mark.parametrize("user", ["root", "ec2-user"])
def test_packer_builds_an_image(user: str, local_cloud: LocalCloud, tmp_path: Path) -> None:
    source = local_cloud.ec2.describe_images(Owners=["136693071363"])["Images"][0]["ImageId"]
    template = tmp_path / "template.pkr.hcl"
    template.write_text(
        TEMPLATE.format(
            access_key=local_cloud.variables["AWS_ACCESS_KEY_ID"],
            secret_key=local_cloud.variables["AWS_SECRET_ACCESS_KEY"],
            endpoint=local_cloud.variables["AWS_ENDPOINT_URL"],
            source=source,
            user=user,
        )
    )
    done = subprocess.run(
        ["packer", "build", "-color=false", str(template)],
        env={**os.environ, "HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"image: {user}\n" in done.stdout
    (image,) = local_cloud.ec2.describe_images(
        Owners=["self"], Filters=[{"Name": "name", "Values": [f"packer-{user}"]}]
    )["Images"]
    ebs = image["BlockDeviceMappings"][0]["Ebs"]
    assert (ebs["VolumeType"], ebs["Iops"], ebs["Throughput"]) == ("gp3", 4000, 250)
    assert image["Tags"] == [{"Key": "Build", "Value": "packer"}]
    snapshot = local_cloud.ec2.describe_snapshots(SnapshotIds=[ebs["SnapshotId"]])["Snapshots"][0]
    assert snapshot["Tags"] == [{"Key": "Build", "Value": "packer-snapshot"}]
