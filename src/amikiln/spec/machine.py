"""The spec's tables about machines: those that bake and verify run on, and the fleet's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from amikiln.spec.types import (
    ACCOUNT,
    AMI_ID,
    KEY_ARN,
    STACK_VERSION,
    Deadline,
    GroupName,
    InstanceType,
    ParameterPath,
    SpecTable,
    StackName,
    TagKey,
    TagValue,
    UserName,
    VariableName,
    match,
)

STACK_TEMPLATE = "https://s3.amazonaws.com/buildkite-aws-stack/{version}/aws-stack.yml"
"""https://github.com/buildkite/elastic-ci-stack-for-aws"""

STACK_OWNER = "172840064832"
"""Buildkite's account, which owns the images that the published templates name."""


class Source(SpecTable):
    """The image that a bake starts from.

    By its id, by an SSM parameter, the newest of a name, or the image of a version of Buildkite's
    Elastic CI Stack.
    """

    NEEDS: ClassVar[str] = "one of id, parameter, name and owner, or stack_version"

    id: Annotated[str, *match(rf"^{AMI_ID}$", "an AMI id")] | None = None
    """The image's id."""
    parameter: ParameterPath | None = None
    """An SSM parameter that holds an AMI id, as AWS publishes them below /aws/service; ``{region}``
    stands for the region."""
    name: str | None = Field(default=None, min_length=1, max_length=128)
    """The newest AMI of this name; ``*`` and ``?`` match as in DescribeImages. Needs ``owner``."""
    owner: (
        Annotated[
            str,
            *match(
                rf"^({ACCOUNT}|amazon|self|aws-marketplace)$",
                "an account of 12 digits, amazon, self or aws-marketplace",
            ),
        ]
        | None
    ) = None
    """Whose image of that name: names are free for anybody to use."""
    stack_version: (
        Annotated[str, *match(rf"^{STACK_VERSION}$", "a version, as v6.71.1 or v6.0.0-beta1", 64)]
        | None
    ) = None
    """The image of the Elastic CI Stack's agents in this version."""
    stack_distribution: Annotated[
        str,
        *match(r"^(amazonlinux(\d{1,4})?|ubuntu\d{4})$", "amazonlinux, or as ubuntu2404"),
    ] = "amazonlinux"
    """Which of that version's images: Amazon Linux's, or Ubuntu's, which it has since v6.70.0."""
    stack_template: Annotated[
        str,
        *match(
            r"^(https://[A-Za-z0-9._/{}~%-]+|(\.?[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_{][A-Za-z0-9_.{}-]*)$",
            "an https URL or a file beside image.toml; {version} stands for stack_version",
            1024,
        ),
    ] = STACK_TEMPLATE
    """The template whose mapping names the image: a URL, or a file beside image.toml."""
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    """The image's processor architecture, and that of the machines."""
    user: UserName = "ec2-user"
    """Who logs in over ssh; needs sudo without a password, unless it is root."""

    @model_validator(mode="after")
    def check_one_way_to_find_it(self) -> Source:
        ways = ("id", "parameter", "name", "stack_version")
        given = [key for key in ways if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"needs exactly one of {', '.join(ways)}; has {', '.join(given) or 'none'}"
            )
        for key in ("stack_template", "stack_distribution"):
            if key in self.model_fields_set and self.stack_version is None:
                raise ValueError(f"{key} needs stack_version")
        if self.is_ubuntu and self.user == "ec2-user":
            raise ValueError('the stack\'s Ubuntu images have no ec2-user: set user = "ubuntu"')
        if (self.name is None) != (self.owner is None):
            raise ValueError("name and owner go together: names are free for anybody to use")
        return self

    @property
    def is_ubuntu(self) -> bool:
        """Whether it is one of the Elastic CI Stack's images of Ubuntu."""
        return self.stack_distribution.startswith("ubuntu")


class Instance(SpecTable):
    """The machine that is baked and verified on, and its network."""

    types: tuple[InstanceType, ...] = Field(min_length=1, strict=False)
    """In order of preference: the next is tried where there is no capacity for one."""
    subnet: Annotated[str, *match(r"^subnet-[0-9a-f]{8,17}$", "a subnet id")] | None = None
    """The subnet of the machines. Left out, as ``subnet_parameter``: the default VPC's subnets, one
    a zone."""
    subnet_parameter: ParameterPath | None = None
    """An SSM parameter that holds a subnet's id, instead of ``subnet``."""
    security_group: Annotated[str, *match(r"^sg-[0-9a-f]{8,17}$", "a group id")] | None = None
    """The machines' security group, which has to let ssh in. Left out, as
    ``security_group_parameter``: one is made for each run, and removed after it."""
    security_group_parameter: ParameterPath | None = None
    """An SSM parameter that holds a group's id, instead of ``security_group``."""
    ssh_from: (
        Annotated[
            str,
            *match(r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$", "an IPv4 network, as 203.0.113.7/32"),
        ]
        | None
    ) = None
    """Whom a run's own security group lets in. Left out: the address that this machine connects
    from."""
    profile: (
        Annotated[
            str,
            *match(
                r"^[A-Za-z0-9+=,.@_][A-Za-z0-9+=,.@_-]{0,127}$",
                "an instance profile's name: letters, digits and + = , . @ _ -, 128 at most",
            ),
        ]
        | None
    ) = None
    """The IAM instance profile of both machines. Session Manager may need one, a bake does not."""
    market: Literal["on-demand", "spot"] = "on-demand"
    """spot costs less, and EC2 may end such a machine at any time: the run then fails."""

    @model_validator(mode="after")
    def check_network(self) -> Instance:
        for key in ("subnet", "security_group"):
            if getattr(self, key) is not None and getattr(self, f"{key}_parameter") is not None:
                raise ValueError(f"{key} and {key}_parameter exclude each other")
        if self.ssh_from and (self.security_group or self.security_group_parameter):
            raise ValueError("ssh_from is for a run's own group, and a group is given")
        return self


class Volume(SpecTable):
    """The root volume, gp3 (https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html)."""

    size_gib: int = Field(ge=1, le=65536)
    """Its size. ``plan`` estimates what it has to hold, and less is a fault."""
    iops: int = Field(default=6000, ge=3000, le=80000)
    """Its provisioned IOPS: at most 500 for each GiB."""
    throughput_mib: int = Field(default=500, ge=125, le=2000)
    """Its provisioned throughput: at most 0.25 MiB/s for each IOPS."""
    kms_key: Annotated[str, *match(rf"^{KEY_ARN}$", "the ARN of a KMS key or alias")] | None = None
    """The ARN of the key that encrypts the volume and the image's snapshot. Left out: the account's
    default decides."""

    @model_validator(mode="after")
    def check_limits_of_gp3(self) -> Volume:
        if self.iops > max(3000, 500 * self.size_gib):
            raise ValueError(
                f"gp3 gives at most 500 IOPS per GiB: {self.size_gib} GiB allow "
                f"{500 * self.size_gib}, not {self.iops}"
            )
        if self.throughput_mib > self.iops / 4:
            raise ValueError(
                f"gp3 gives at most 0.25 MiB/s per IOPS: {self.iops} IOPS allow "
                f"{self.iops // 4} MiB/s, not {self.throughput_mib}"
            )
        return self


BootValue = Annotated[str, *match(r"^[^\x00-\x1f]*$", "no control characters", 1024)]
BOOT_KEYS = {
    "BUILDKITE_ENABLE_INSTANCE_STORAGE": "instance_storage",
    "DOCKER_USERNS_REMAP": "user_namespace_remap",
}
"""Variables of the Elastic CI Stack's boot scripts that have a key of their own."""


class Fleet(SpecTable):
    """Whose machines follow the pointer."""

    auto_scaling_groups: tuple[GroupName, ...] = Field(default=(), strict=False)
    """The Auto Scaling groups by name."""
    stacks: tuple[StackName, ...] = Field(default=(), strict=False)
    """The CloudFormation stacks whose groups they are: an Elastic CI Stack names its group anew."""
    group_tags: Mapping[TagKey, TagValue] = {}
    """Groups that have all of these tags."""
    instance_types: tuple[InstanceType, ...] = Field(default=(), strict=False)
    """What verify boots an image on. Left out: the types of ``[instance]``."""
    metadata_hop_limit: int = Field(default=2, ge=1, le=64)
    """The hop limit of the machines' metadata service. 2 lets containers reach it:
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-options.html"""
    instance_storage: bool = False
    """Whether the machines move Docker's data to their own disks: a baked cache is lost there."""
    user_namespace_remap: bool = False
    """Whether the machines' Docker maps users: it then has another data root, without a cache."""
    elastic_stack: bool | None = None
    """Whether an Elastic CI Stack boots the image, which then must have what the stack starts. Left
    out: if ``source.stack_version`` is given."""
    environment: Mapping[VariableName, BootValue] = {}
    """Further variables of the image's boot scripts, as DOCKER_EXPERIMENTAL = "true"."""

    @field_validator("environment")
    @classmethod
    def refuse_what_has_a_key(cls, environment: Mapping[str, str]) -> Mapping[str, str]:
        for name, key in BOOT_KEYS.items():
            if name in environment:
                raise ValueError(f"{name} is fleet.{key}")
        return environment


class Deadlines(SpecTable):
    """How long each wait may take, in seconds. What ends a machine follows from their sum."""

    boot_seconds: Deadline = 600
    """Until a machine runs, and then once more until it lets us log in."""
    step_seconds: Deadline = 1800
    """One step of the recipe, one upload, one own check, one build on the verified machine."""
    build_seconds: Deadline = 3 * 3600
    """One attempt of the warm build in the bake: vLLM's takes hours when nothing is cached."""
    check_seconds: Deadline = 300
    """One command of a built-in check."""
    stop_seconds: Deadline = 600
    """For a machine to stop."""
    image_seconds: Deadline = 4 * 3600
    """For EC2 to make the image of a stopped machine."""
    lease_seconds: Annotated[int, Field(ge=3, le=3600)] = 900
    """A run that has not renewed its lease for this long counts as dead."""
    machine_minutes: Annotated[int, Field(ge=5, le=7 * 24 * 60)] | None = None
    """A machine of ours ends itself after this long, whatever became of its run. Left out: when the
    deadlines above cannot need it any more."""
