"""The types of a spec's values: what is allowed, as a pattern and in words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

AMI_ID = r"ami-[0-9a-f]{8,17}"
REGION = r"[a-z]{2,4}(-[a-z]{2,})?-[a-z]+-\d{1,2}"
"""As us-east-1, us-gov-west-1 and eusc-de-east-1: botocore's partitions.json has each partition's
own pattern, and new prefixes with each release."""
COMMIT = r"[0-9a-f]{40}|[0-9a-f]{64}"
"""All of a git commit's digits, of SHA-1 or SHA-256."""
ACCOUNT = r"\d{12}"
STACK_VERSION = r"v\d+\.\d+\.\d+(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
"""A release of the Elastic CI Stack, or a pre-release, as v6.0.0-beta1: its tags are semantic
versions (https://github.com/buildkite/elastic-ci-stack-for-aws/tags, https://semver.org/)."""
KEY_ARN = rf"arn:aws[a-z-]*:kms:{REGION}:{ACCOUNT}:(key/[A-Za-z0-9-]+|alias/[A-Za-z0-9/_-]+)"


class SpecTable(BaseModel):
    """A table of the spec: unknown keys are errors, and its values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def match(pattern: str, allowed: str, longest: int | None = None) -> Any:
    """Return the annotations of a string that has to match a pattern.

    Args:
        pattern: A regular expression for the whole value.
        allowed: The same in words, for error messages and the JSON Schema.
        longest: The most characters that the value may have.
    """
    return (StringConstraints(pattern=pattern, max_length=longest), Field(description=allowed))


Name = Annotated[
    str,
    *match(r"^[a-z0-9][a-z0-9-]{0,62}$", "lower-case letters, digits and -, 63 at most"),
]
UserName = Annotated[
    str, *match(r"^[a-z_][a-z0-9_-]{0,31}$", "a Linux user name: a-z, 0-9, _ and -, 32 at most")
]
HostName = Annotated[
    str, *match(r"^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$", "a host name, with :PORT where needed")
]
# The distribution project's grammar, less digests, which plan resolves:
# https://pkg.go.dev/github.com/distribution/reference. What stands before the first / is a host
# only if it has a dot or a port, or is localhost; in a path capitals are not allowed.
_HOST_PART = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_PORT = r":[0-9]{1,5}"
_HOST = (
    rf"((localhost|\[[0-9A-Fa-f:]+\]|{_HOST_PART}(\.{_HOST_PART})+)({_PORT})?|{_HOST_PART}{_PORT})"
)
_PATH_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
ImageReference = Annotated[
    str,
    *match(
        rf"^({_HOST}/)?{_PATH_PART}(/{_PATH_PART})*:{_TAG}$",
        "HOST/PATH:TAG, with the tag and without a digest (plan finds the digest)",
        longest=384,
    ),
]
ParameterPath = Annotated[
    str,
    *match(
        r"^(/[A-Za-z0-9_.-]+|/[A-Za-z0-9_.-]*\{region\}[A-Za-z0-9_.-]*){1,15}$",
        "an SSM path of /, letters, digits, _ . and -; {region} stands for the region",
        longest=1011,
    ),
]
GroupName = Annotated[
    str, *match(r"^[A-Za-z0-9 ._/-]{1,255}$", "letters, digits, spaces and . _ / -, 255 at most")
]
StackName = Annotated[
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
    str,
    *match(
        r"^[A-Za-z][A-Za-z0-9-]{0,127}$",
        "a stack's name: a letter, then letters, digits and -, 128 at most",
    ),
]
TagKey = Annotated[
    # Any letters: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
    str,
    *match(r"^[^\x00-\x1f\x7f*]{1,128}$", "a tag's key, 1 to 128 printable characters"),
]
TagValue = Annotated[
    str,
    *match(r"^[^\x00-\x1f\x7f*]{0,256}$", "a tag's value, 256 printable characters at most"),
]
InstanceType = Annotated[
    str, *match(r"^[a-z0-9-]+\.[a-z0-9-]+$", "an EC2 instance type, as m7i.4xlarge", 50)
]
RelativePath = Annotated[
    str,
    *match(
        r"^(\.?[A-Za-z0-9_][A-Za-z0-9_.-]*/)*\.?[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        "a path below the context's folder",
        512,
    ),
]
TargetName = Annotated[
    str,
    *match(r"^[A-Za-z0-9_][A-Za-z0-9_-]*$", "a target's or group's name in the bake files", 128),
]
CacheSource = Annotated[
    # https://docs.docker.com/build/cache/backends/
    str,
    *match(r"^type=[A-Za-z0-9_.:/=,@+-]+$", "a cache, as type=registry,ref=HOST/PATH:TAG", 1024),
]
LabelName = Annotated[
    # https://github.com/opencontainers/image-spec/blob/main/annotations.md#rules
    str,
    *match(r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$", "a label's or annotation's key", 256),
]
Grant = Annotated[
    # https://docs.docker.com/reference/cli/docker/buildx/bake/#allow
    str,
    *match(
        r"^(ssh|device|(fs|fs\.read|fs\.write|device)=[^\s=][^\s]*)$",
        "ssh, fs.read=PATH, fs.write=PATH, fs=PATH, device or device=NAME",
        1024,
    ),
]
VariableName = Annotated[
    str, *match(r"^[A-Za-z_][A-Za-z0-9_]*$", "a variable's name: letters, digits and _", 128)
]
SecretName = Annotated[
    str,
    *match(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", "a secret's id: letters, digits, _ . and -", 128),
]
Version = Annotated[str, *match(r"^\d+(\.\d+){0,3}$", "a version of numbers, as 24.0")]
Deadline = Annotated[int, Field(ge=1, le=24 * 3600, description="seconds, a day at most")]
