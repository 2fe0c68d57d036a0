"""The spec: what people edit, as tables that are checked whole and frozen from then on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from cronsim import CronSim, CronSimError
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from amikiln.spec_types import (
    Deadline,
    GroupName,
    HostName,
    ImageReference,
    InstanceType,
    Name,
    ParameterPath,
    UserName,
    Version,
    text,
)


class Table(BaseModel):
    """A table of the spec: unknown keys are faults, and nothing is changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Source(Table):
    """The image that a bake starts from: by id, by an SSM parameter, or the newest of a name."""

    id: Annotated[str, *text(r"^ami-[0-9a-f]{8,17}$", "an AMI id")] | None = None
    parameter: ParameterPath | None = None
    """An SSM parameter that holds an AMI id, as AWS publishes them below /aws/service."""
    name: str | None = Field(default=None, min_length=1, max_length=128)
    """An AMI name; ``*`` and ``?`` match as in DescribeImages. Needs ``owner``."""
    owner: (
        Annotated[
            str,
            *text(
                r"^(\d{12}|amazon|self|aws-marketplace)$",
                "an account of 12 digits, amazon, self or aws-marketplace",
            ),
        ]
        | None
    ) = None
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    user: UserName = "ec2-user"
    """Who logs in over ssh; needs sudo without a password, unless it is root."""

    @model_validator(mode="after")
    def one_way_to_find_it(self) -> Source:
        given = [key for key in ("id", "parameter", "name") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"needs exactly one of id, parameter, name; has {', '.join(given) or 'none'}"
            )
        if (self.name is None) != (self.owner is None):
            raise ValueError("name and owner go together: names are free for anybody to use")
        return self


class Instance(Table):
    """The machine that is baked and verified on, and its network."""

    types: tuple[InstanceType, ...] = Field(min_length=1, strict=False)
    """In order of preference: the next is tried where there is no capacity for one."""
    subnet: Annotated[str, *text(r"^subnet-[0-9a-f]{8,17}$", "a subnet id")] | None = None
    subnet_parameter: ParameterPath | None = None
    """An SSM parameter that holds a subnet id. Neither: the default VPC's subnets, one a zone."""
    security_group: Annotated[str, *text(r"^sg-[0-9a-f]{8,17}$", "a group id")] | None = None
    security_group_parameter: ParameterPath | None = None
    """An SSM parameter that holds a group id. Neither: one is made for each run."""
    ssh_from: (
        Annotated[
            str,
            *text(r"^\d{1,3}(\.\d{1,3}){3}/\d{1,2}$", "an IPv4 network, as 203.0.113.7/32"),
        ]
        | None
    ) = None
    """Whom a run's own security group lets in; None: this machine's public address."""

    @model_validator(mode="after")
    def one_network(self) -> Instance:
        for key in ("subnet", "security_group"):
            if getattr(self, key) is not None and getattr(self, f"{key}_parameter") is not None:
                raise ValueError(f"{key} and {key}_parameter exclude each other")
        if self.ssh_from and (self.security_group or self.security_group_parameter):
            raise ValueError("ssh_from is for a run's own group, and a group is given")
        return self


class Volume(Table):
    """The root volume, gp3 (https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html)."""

    size_gib: int = Field(ge=1, le=65536)
    iops: int = Field(default=6000, ge=3000, le=80000)
    throughput_mib: int = Field(default=500, ge=125, le=2000)

    @model_validator(mode="after")
    def within_the_limits_of_gp3(self) -> Volume:
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


class Docker(Table):
    """What dockerd holds."""

    images: tuple[ImageReference, ...] = Field(strict=False)
    minimum_version: Version = "24.0"
    minimum_buildx_version: Version = "0.12"


class Buildkit(Table):
    """The persistent builder (https://docs.docker.com/build/buildkit/toml-configuration/)."""

    builder: Annotated[
        str,
        *text(r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}$", "letters, digits, _ . and -, 100 at most"),
    ]
    image: ImageReference = "moby/buildkit:v0.26.3"
    owner: UserName = "buildkite-agent"
    """The user that runs jobs: buildx keeps the builder's record in that user's home."""
    max_parallelism: int = Field(default=16, ge=1, le=1024)
    gc: bool = False
    plain_http_registries: tuple[HostName, ...] = Field(default=(), strict=False)


class Publish(Table):
    """The pointer: an SSM parameter that names the image in use."""

    parameter: ParameterPath
    """``{region}`` stands for the region."""
    data_type: Literal["aws:ec2:image", "text"] = "aws:ec2:image"
    """``resolve:ssm:`` in a launch template asks for aws:ec2:image."""


class Fleet(Table):
    """Whose machines follow the pointer."""

    auto_scaling_groups: tuple[GroupName, ...] = Field(default=(), strict=False)


class Deadlines(Table):
    """How long each wait may take, in seconds."""

    boot_seconds: Deadline = 600
    step_seconds: Deadline = 3600
    stop_seconds: Deadline = 600
    image_seconds: Deadline = 4 * 3600
    lease_seconds: Annotated[int, Field(ge=3, le=3600)] = 900
    """A run that has not renewed its lease for this long counts as dead."""
    machine_minutes: Annotated[int, Field(ge=5, le=24 * 60)] = 360
    """A machine of ours ends itself after this long, whatever became of its run."""


class Spec(Table):
    """One image: what goes in, where it comes out, who follows it."""

    name: Name
    region: Annotated[str, *text(r"^[a-z]{2}(-[a-z]+)+-\d$", "an AWS region, as us-east-1", 30)]
    ami_name_prefix: Annotated[
        # RegisterImage's characters; time and digest are put behind, and 128 is the limit:
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
        str,
        *text(
            r"^[A-Za-z0-9()\[\] ./'@_-]{3,100}$",
            "3 to 100 of: letters, digits, spaces and ( ) [ ] . / - ' @ _",
        ),
    ]
    deprecate_days: int = Field(default=7, ge=1, le=3650)
    schedule: str = "0 6 * * *"
    """When CI bakes, as a cron line in UTC."""
    source: Source
    instance: Instance
    volume: Volume
    docker: Docker
    buildkit: Buildkit
    publish: Publish
    fleet: Fleet = Fleet()
    deadlines: Deadlines = Deadlines()

    @field_validator("schedule")
    @classmethod
    def a_cron_line(cls, line: str) -> str:
        try:
            CronSim(line, datetime.now(UTC))
        except CronSimError as error:
            raise ValueError(f"{line!r} is not a cron line of five fields: {error}") from error
        return line

    @property
    def pointer(self) -> str:
        """The SSM parameter that names the image in use."""
        return self.publish.parameter.replace("{region}", self.region)

    @property
    def lease_path(self) -> str:
        """The SSM path below which the generations of this image's lease are."""
        return f"/amikiln/{self.name}/{self.region}/lease"
