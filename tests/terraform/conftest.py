"""A copy of terraform/aws to work in, and Terraform in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amikiln.export import terraform
from amikiln.spec.load import load_image
from localcloud.fixture import CloudFixture

ROOT = Path(__file__).parent.parent.parent
SOURCE = ROOT / "terraform" / "aws"
NOT_IN_THE_LOCAL_CLOUD = ("queues.tf", "buildkite.tf")
"""The root's other parts: Buildkite's own stacks, and Buildkite."""

# Earlier providers do not know AWS_ENDPOINT_URL. Merged into the root's provider block:
# https://developer.hashicorp.com/terraform/language/files/override
ENDPOINTS = """
provider "aws" {{
  access_key = "AKIALOCALCLOUDTEST00"
  secret_key = "worth-nothing"

  endpoints {{
    ec2 = "{0}"
    iam = "{0}"
    ssm = "{0}"
    sts = "{0}"
  }}
}}
"""


class Terraform:
    """Terraform in a copy of a folder with Terraform files.

    Args:
        folder: The copy.
        installs: Whether Terraform installs its providers; else it is told where they are.
    """

    def __init__(self, folder: Path, installs: bool) -> None:
        self.folder = folder
        self.installs = installs
        # Nothing of whoever calls, least of all real credentials, reaches Terraform.
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "TF_", "BUILDKITE"))
        }
        for name in ("TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR"):
            if name in os.environ:
                self._environment[name] = os.environ[name]
        self._environment |= {
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
        }

    def may_fail(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Terraform to its end."""
        return subprocess.run(
            ["terraform", f"-chdir={self.folder}", *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def __call__(self, *words: str) -> str:
        """Run Terraform, and return what it said."""
        done = self.may_fail(*words)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def get_ready(self) -> None:
        """Let Terraform find the folder's modules and providers."""
        # A provider that Terraform is pointed to is not installed, and `init` would try.
        self("init" if self.installs else "get", "-no-color")


class AccountPart(Terraform):
    """The root's own wiring of the account's part, to be applied to a local cloud."""

    def values(self, **changes: Any) -> None:
        """Give the variables their values: the spec's, and some that somebody has to give."""
        (self.folder / "changes.auto.tfvars.json").write_text(json.dumps(changes))

    def apply(self) -> str:
        return self("apply", "-no-color", "-auto-approve")

    @property
    def changes_nothing(self) -> bool:
        """Whether a plan is empty: 0 is empty, 2 is not, and 1 is an error."""
        done = self.may_fail("plan", "-no-color", "-detailed-exitcode")
        assert done.returncode in (0, 2), done.stdout
        return done.returncode == 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.terraform)


@pytest.fixture(scope="session")
def installs() -> bool:
    """Whether Terraform can install providers, as scripts/test-terraform found out."""
    found = os.environ.get("AMIKILN_TERRAFORM_PROVIDERS")
    if found is None:
        pytest.skip("scripts/test-terraform runs these")
    assert found in ("installed", "compiled")
    return found == "installed"


@pytest.fixture
def copy_of(tmp_path: Path, installs: bool) -> Callable[[str], Terraform]:
    """Copy a folder of terraform/aws, with nothing that somebody's own Terraform left there."""

    def copy(name: str) -> Terraform:
        folder = tmp_path / "terraform"
        left_out = shutil.ignore_patterns(".terraform*", "*.tfstate*", "terraform.tfvars*")
        shutil.copytree(SOURCE / name, folder, ignore=left_out)
        return Terraform(folder, installs)

    return copy


@pytest.fixture
def account(
    copy_of: Callable[[str], Terraform], cloud: CloudFixture, installs: bool
) -> AccountPart:
    """The root, less what no local cloud has, pointed at one."""
    folder = copy_of(".").folder
    for name in NOT_IN_THE_LOCAL_CLOUD:
        (folder / name).unlink()
    (folder / "local_cloud_override.tf").write_text(ENDPOINTS.format(cloud.endpoint))
    network = cloud.client("ec2").describe_vpcs()["Vpcs"][0]
    subnet = cloud.client("ec2").create_subnet(
        VpcId=network["VpcId"], CidrBlock=network["CidrBlock"].replace(".0.0/16", ".200.0/24")
    )
    values = {
        "subnet_id": subnet["Subnet"]["SubnetId"],
        "agent_token_parameter": "/buildkite/agent-token",
        "repository": "git@github.com:owner/name.git",
    }
    (folder / "terraform.tfvars.json").write_text(json.dumps(values))
    exported = terraform.render_variables(load_image(ROOT / "images" / "cpu-build").spec)
    (folder / "cpu-build.auto.tfvars.json").write_text(exported)
    part = AccountPart(folder, installs)
    part.get_ready()
    return part
