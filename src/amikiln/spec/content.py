"""The spec's tables about what goes into the image, and what is verified of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from amikiln.spec.bake_file import BakeFile
from amikiln.spec.registries import Logins
from amikiln.spec.types import (
    COMMIT,
    CacheSource,
    Grant,
    HostName,
    ImageReference,
    LabelName,
    RelativePath,
    SecretName,
    SpecTable,
    TargetName,
    UserName,
    VariableName,
    Version,
    match,
)

COMMIT_PLACE = "{commit}"
"""In a build's arguments and variables: the context's commit."""


class Docker(SpecTable):
    """Docker, and the container images that are pulled into it."""

    images: tuple[ImageReference, ...] = Field(strict=False)
    """The container images that are pulled, each by the digest that ``plan`` finds."""
    logins: Logins = Field(default={})
    """Who pulls from a registry; from one that is not named, anybody. For images, builder and warm
    build, by plan and by the machine alike."""
    minimum_version: Version = "24.0"
    """The oldest version of Docker that will do."""
    minimum_buildx_version: Version = "0.12"
    """The oldest version of buildx that will do."""
    buildx_url: (
        Annotated[str, *match(r"^https?://[^\s@]+$", "a URL without a login", longest=1024)] | None
    ) = None
    """A release of buildx, which is installed where the machine has none, an older one, or one that
    does not say its version: https://github.com/docker/buildx/releases"""
    buildx_sha256: Annotated[str, *match(r"^[0-9a-f]{64}$", "64 hexadecimal digits")] | None = None
    """The SHA-256 of what ``buildx_url`` leads to."""

    @model_validator(mode="after")
    def check_both_of_buildx(self) -> Docker:
        if (self.buildx_url is None) != (self.buildx_sha256 is None):
            raise ValueError("buildx_url and buildx_sha256 are given together")
        return self


class Buildkit(SpecTable):
    """The persistent builder (https://docs.docker.com/build/buildkit/toml-configuration/)."""

    driver: Literal["docker-container", "systemd"] = "docker-container"
    """``docker-container``: a container that Docker starts at boot. ``systemd``: buildkitd as a
    service, with its programs out of the same image."""
    builder: Annotated[
        str,
        *match(r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}$", "letters, digits, _ . and -, 100 at most"),
    ]
    """The builder's name, as in ``docker buildx build --builder NAME``."""
    image: ImageReference = "moby/buildkit:v0.26.3"
    """BuildKit's image."""
    owner: UserName = "buildkite-agent"
    """The user that runs jobs: buildx keeps the builder's record in that user's home."""
    max_parallelism: int = Field(default=16, ge=1, le=1024)
    """How many steps of builds run at once."""
    gc: bool = False
    """Whether BuildKit removes what was not used lately, which may be the warm cache."""
    entitlements: tuple[Literal["network.host", "security.insecure"], ...] = Field(
        default=("network.host",), strict=False
    )
    """What builds may ask for. With docker-container, which shares the machine's network, builds
    may always ask for network.host (https://docs.docker.com/build/builders/drivers/)."""
    buildx_builder_variable: bool = False
    """Whether jobs also get BUILDX_BUILDER, which `docker build` heeds, and which a job's own
    `docker buildx use` does not change. The builder is current for each job without it."""
    plain_http_registries: tuple[HostName, ...] = Field(default=(), strict=False)
    """Registries that answer by http only, without TLS."""


class Warm(SpecTable):
    """The real build that fills the builder's cache. Verify repeats it: every step has to be a hit.

    Bake files or one Dockerfile, as ``docker buildx bake`` takes them
    (https://docs.docker.com/build/bake/reference/).
    """

    context: Annotated[
        str,
        *match(
            r"^((https?|ssh|file)://|git@)[^\s#]+#[^\s:#-][^\s:#]*(:[^\s:#]+)?$|^[^\s:#/-][^\s:#]*$",
            "a folder beside image.toml, or a git URL with #REF or #REF:FOLDER",
            longest=1024,
        ),
    ]
    """The build's context: a folder beside image.toml, or a git repository at a branch, tag or
    commit, which ``plan`` resolves to a commit, once; ``:FOLDER`` is a folder of the repository."""
    submodules: bool = True
    """Whether a commit comes with its submodules, as an agent checks it out unless it has
    BUILDKITE_GIT_SUBMODULES=false."""
    commit_from: ImageReference | None = None
    """One of docker.images, whose label or annotation names the commit: what was built last, which
    is in the cache, where REF's newest commit is not. It has to be in the repository."""
    commit_label: LabelName = "org.opencontainers.image.revision"
    """Which label or annotation of ``commit_from`` holds the commit."""
    bake_files: tuple[BakeFile, ...] = Field(default=(), strict=False)
    """In the order in which buildx merges them; by default those that it looks for."""
    targets: tuple[TargetName, ...] = Field(default=("default",), min_length=1, strict=False)
    """What is built: targets and groups of the bake files."""
    dockerfile: RelativePath | None = None
    """Instead of bake files."""
    build_args: Mapping[VariableName, str] = {}
    """Of all targets. ``{commit}`` in a value stands for the context's commit."""
    target_args: Mapping[TargetName, Mapping[VariableName, str]] = {}
    """Build arguments of single targets."""
    variables: Mapping[VariableName, str] = {}
    """Environment variables of the build, which bake files read their variables from."""
    cache_from: tuple[CacheSource, ...] = Field(default=(), strict=False)
    """Where else cached layers come from, as ``type=registry,ref=HOST/PATH:TAG``."""
    secrets: tuple[SecretName, ...] = Field(default=(), strict=False)
    """Names only: the values are given to the run through a file descriptor."""
    allow: tuple[Grant, ...] = Field(default=(), strict=False)
    """What else the build may, as ``docker buildx bake --allow`` takes it."""
    attempts: int = Field(default=3, ge=1, le=10)
    """How often the build is tried in the bake before the bake fails."""

    @field_validator("context")
    @classmethod
    def refuse_login(cls, context: str) -> str:
        if re.match(r"https?://[^/]*@|\w+://[^/]*:[^/]*@", context):
            raise ValueError("holds a login, and would stay in the image: use a credential helper")
        repository, _, rest = context.rpartition("#")
        folder = rest.partition(":")[2] if repository else rest
        if ".." in folder.split("/"):
            raise ValueError(
                f"{folder} may lead out of the {'repository' if repository else 'image'}"
                ": name a folder in it"
            )
        return context

    @field_validator("cache_from")
    @classmethod
    def refuse_keys(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        for source in sources:
            # https://docs.docker.com/build/cache/backends/ (s3, azblob, gha)
            if found := re.search(r",(\w*(access_key|secret|token|password)\w*)=", source):
                raise ValueError(
                    f"{found[1]} is a login, and would stay in the image and in plan files: let the"
                    " builder find it in its environment"
                )
        return sources

    @model_validator(mode="after")
    def check_one_kind_of_build(self) -> Warm:
        if self.bake_files and self.dockerfile:
            raise ValueError("bake_files and dockerfile exclude each other")
        if self.dockerfile and self.targets != ("default",):
            raise ValueError(
                "targets are those of bake files; with a dockerfile there is one build"
            )
        return self

    @model_validator(mode="after")
    def check_commit(self) -> Warm:
        if not self.is_git and "submodules" in self.model_fields_set:
            raise ValueError("submodules are a commit's, and context is a folder")
        values = [*self.build_args.values(), *self.variables.values()]
        values += [value for args in self.target_args.values() for value in args.values()]
        if not self.is_git and self.commit_from is not None:
            raise ValueError("commit_from names a commit, and context is a folder, which has none")
        if not self.is_git and any(COMMIT_PLACE in value for value in values):
            raise ValueError(f"{COMMIT_PLACE} is a commit, and context is a folder, which has none")
        if self.commit_from is not None and re.fullmatch(
            COMMIT, self.context.rpartition("#")[2].partition(":")[0]
        ):
            raise ValueError("context names a commit, and so does commit_from: give a branch there")
        return self

    @property
    def is_git(self) -> bool:
        """Whether the context is in a git repository; otherwise it is a folder."""
        return "#" in self.context


def _read_warm(written: object) -> object:
    if written is None:
        # There is none in TOML: this is out of a file that another version wrote.
        raise ValueError("has to be false, or a table")
    return None if written is False else written


WarmOrNone = Annotated[
    Warm | None,
    BeforeValidator(_read_warm, json_schema_input_type=Warm | Literal[False]),
    PlainSerializer(lambda warm: False if warm is None else warm, Warm | Literal[False]),
]
"""``[warm]``, or ``warm = false``: None."""


class AllowedSecret(SpecTable):
    """A finding of the scan for secrets that is no secret, and why."""

    path: str = Field(min_length=2, max_length=1024, pattern=r"^/")
    """Where it is on the machine; ``*`` matches anything, ``/`` included."""
    kind: str = Field(default="*", min_length=1, max_length=200)
    """What the scan called it; ``*`` matches anything."""
    reason: str = Field(min_length=10, max_length=500)
    """Why it is no secret: it is shown wherever the finding would be."""


class Secrets(SpecTable):
    """What the scan for secrets may find."""

    allow: tuple[AllowedSecret, ...] = Field(default=(), strict=False)
    """Findings that are no secrets."""


class Verify(SpecTable):
    """What is required of a machine that was booted from the image."""

    minimum_hit_share: float = Field(default=1.0, gt=0, le=1)
    """The share of the warm build's steps, and of the time that they took when cold, that has to
    come out of the cache."""
    minimum_checkout_hit_share: float = Field(default=1.0, ge=0, le=1)
    """The share of the steps that has to come out of the cache from another checkout of the commit,
    as an agent makes it: steps that read .git are no hits there."""
    minimum_speedup: float = Field(default=5.0, ge=1)
    """How many times faster the steps have to be on the machine than in the bake."""
    maximum_read_seconds: int | None = Field(default=None, ge=1)
    """How long reading all that the warm build's results consist of may take. Left out: it is only
    measured."""
    minimum_free_gib: int = Field(default=5, ge=0)
    """How much of the disk has to be free."""
    minimum_free_inodes: int = Field(default=250_000, ge=0)
    """How many inodes have to be free. Below either, the Elastic CI Stack's low-disk clean-up
    prunes images and cache: https://github.com/buildkite/elastic-ci-stack-for-aws
    (bk-check-disk-space.sh)."""
    builder_up_seconds: int = Field(default=180, ge=1, le=3600)
    """How long Docker and the builder may take to be up after the boot."""
