"""The environment variables with which AWS clients and container tools use a local cloud."""

from __future__ import annotations

from collections.abc import MutableMapping

from amikiln_localcloud import control
from amikiln_localcloud.home import REGION, Home

ACCESS_KEY = "AKIAAMIKILNLOCAL0000"
SECRET_KEY = "worth-nothing-outside-of-the-local-cloud"  # noqa: S105
"""Never checked; they keep a client from sending real credentials to the local cloud."""

REMOVED_VARIABLES = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ENDPOINT_URL_AUTO_SCALING",
    "AWS_ENDPOINT_URL_CLOUDFORMATION",
    "AWS_ENDPOINT_URL_EC2",
    "AWS_ENDPOINT_URL_IAM",
    "AWS_ENDPOINT_URL_SSM",
    "AWS_ENDPOINT_URL_STS",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
"""What would make a client use other credentials or another cloud than ``environment`` says:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html"""


def environment(home: Home) -> dict[str, str]:
    """Return the environment variables with which any AWS client uses this cloud.

    The variables in ``REMOVED_VARIABLES`` must not be set; ``enter`` removes them.

    Raises:
        LocalCloudError: The cloud is not up.
    """
    record = control.find_running(home)
    return {
        "AWS_ENDPOINT_URL": record.endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "CONTAINERS_REGISTRIES_CONF": str(home.registries_conf),
        "AMIKILN_REGISTRY": record.registry,
    }


def enter(home: Home, environ: MutableMapping[str, str]) -> None:
    """Change an environment so that its AWS clients use this cloud, and only this one.

    Raises:
        LocalCloudError: The cloud is not up.
    """
    environ.update(environment(home))
    for name in REMOVED_VARIABLES:
        environ.pop(name, None)
