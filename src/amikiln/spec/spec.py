"""The spec: what people write in image.toml, as checked and frozen tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator, model_validator

from amikiln.spec.content import Buildkit, Docker, Secrets, Verify, WarmOrNone
from amikiln.spec.machine import Deadlines, Fleet, Instance, Source, Volume
from amikiln.spec.network import NetworkSettings, Tags
from amikiln.spec.registries import Mirrors, PasswordLogin
from amikiln.spec.types import REGION, Name, ParameterPath, SpecTable, match

WARM_CHECK = "builds-are-warm"
"""The check that is about the warm build."""


class Publish(SpecTable):
    """The pointer: an SSM parameter that names the image in use."""

    parameter: ParameterPath
    """The parameter's name; ``{region}`` stands for the region."""
    data_type: Literal["aws:ec2:image", "text"] = "aws:ec2:image"
    """The parameter's type: ``resolve:ssm:`` in a launch template wants aws:ec2:image."""


class PlanFiles(SpecTable):
    """How long a plan that was written to a file may be used."""

    max_age_hours: float = Field(default=48, gt=0, le=24 * 365)
    """How old it may be: what it names gets old. Verify uses it after a bake, which may take a day
    by its deadlines."""


class Spec(SpecTable):
    """One image: what goes in, where it is published, and which fleet uses it."""

    name: Name
    """The image's name, which its lease and the tags on everything that its runs make have."""
    region: Annotated[str, *match(rf"^{REGION}$", "an AWS region, as us-east-1", 30)]
    """The AWS region in which it is baked and published."""
    ami_name_prefix: Annotated[
        # RegisterImage's characters; the time and a random part are appended, and 128 is the limit:
        # https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateImage.html
        str,
        *match(
            r"^[A-Za-z0-9()\[\] ./'@_-]{3,100}$",
            "3 to 100 of: letters, digits, spaces and ( ) [ ] . / - ' @ _",
        ),
    ]
    """How the names of its AMIs begin; the time and a random part follow."""
    deprecate_days: int = Field(default=7, ge=1, le=3650)
    """Days after which AWS deprecates an image that this run made: it can still be launched by its
    id, and is in no list."""
    max_age_hours: int = Field(default=20, ge=0, le=24 * 365)
    """A proven image of the same inputs that is younger, in hours, is not baked again; 0: always
    bake."""
    schedule: str = "0 6 * * *"
    """When CI bakes, as a cron line in UTC; it is read by the exported pipeline and by
    Terraform."""
    source: Source
    """The image that a bake starts from."""
    instance: Instance
    """The machines that bake and verify run on, and their network."""
    network: NetworkSettings = NetworkSettings()
    """How these machines are reached."""
    volume: Volume
    """The root volume, of the image and of the machines that bake and verify."""
    tags: Tags = Field(default={})
    """Your own tags on everything that a run makes; many accounts refuse what has none."""
    docker: Docker
    """Docker, and the container images that are pulled into it."""
    mirrors: Mirrors = Field(default={})
    """Who is asked first for a registry's images: by BuildKit, and by Docker for docker.io."""
    buildkit: Buildkit
    """The persistent builder."""
    warm: WarmOrNone = Field(
        description="the table [warm] with the build that jobs run, or warm = false above the first"
        " table for an image that only pulls, which is then not proven warm"
    )
    """The real build that fills the builder's cache. Or ``warm = false``, above the first table: an
    image that only pulls, of which nothing shows that its builds are warm."""
    secrets: Secrets = Secrets()
    """What the scan for secrets may find."""
    verify: Verify = Verify()
    """What is required of a machine that was booted from the image."""
    plan: PlanFiles = PlanFiles()
    """How long a plan that was written to a file may be used."""
    publish: Publish
    """The pointer: the SSM parameter that names the image in use."""
    fleet: Fleet = Fleet()
    """Whose machines use the published image, and what they are like."""
    deadlines: Deadlines = Deadlines()
    """How long each wait may take."""

    @model_validator(mode="after")
    def check_key_is_in_the_region(self) -> Spec:
        # https://docs.aws.amazon.com/ebs/latest/userguide/how-ebs-encryption-works.html
        key = self.volume.kms_key
        if key is not None and key.split(":")[3] != self.region:
            raise ValueError(
                f"volume.kms_key is in {key.split(':')[3]}, and region is {self.region}:"
                " EBS encrypts with keys of its own region only"
            )
        return self

    @model_validator(mode="after")
    def check_image_of_the_commit(self) -> Spec:
        wanted = self.warm.commit_from if self.warm is not None else None
        if wanted is not None and wanted not in self.docker.images:
            raise ValueError(
                f"warm.commit_from is {wanted}, which is none of docker.images:"
                f" {', '.join(self.docker.images)}"
            )
        return self

    @field_validator("schedule")
    @classmethod
    def check_cron_line(cls, line: str) -> str:
        try:
            CronSim(line, datetime.now(UTC))
        except CronSimError as error:
            raise ValueError(f"{line!r} is not a cron line of five fields: {error}") from error
        return line

    @property
    def is_for_elastic_stack(self) -> bool:
        """Whether an Elastic CI Stack boots the image."""
        said = self.fleet.elastic_stack
        return self.source.stack_version is not None if said is None else said

    @property
    def login_secrets(self) -> frozenset[str]:
        """The names of the secrets that registries' logins need."""
        logins = self.docker.logins.values()
        return frozenset(login.secret for login in logins if isinstance(login, PasswordLogin))

    @property
    def pointer(self) -> str:
        """The SSM parameter that names the image in use."""
        return self.in_region(self.publish.parameter)

    @property
    def not_asked(self) -> Mapping[str, str]:
        """The checks that the spec leaves out, by name, and why."""
        return {} if self.warm is not None else {WARM_CHECK: "warm = false"}

    def in_region(self, path: str) -> str:
        """Return an SSM path of the spec with its ``{region}`` filled in."""
        return path.replace("{region}", self.region)

    @property
    def lease_path(self) -> str:
        """The SSM path below which the generations of this image's lease are."""
        return f"/amikiln/{self.name}/{self.region}/lease"
