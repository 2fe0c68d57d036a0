"""The local cloud's EC2, put together."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from moto.ec2 import urls
from moto.ec2.responses import EC2Response

from amikiln_localcloud.api.authorization import AccessDenied, AuthorizedRequests
from amikiln_localcloud.api.ec2.create_image import ImagesMixin
from amikiln_localcloud.api.ec2.image_requests import ImageRequests
from amikiln_localcloud.api.ec2.instance_requests import InstanceRequests
from amikiln_localcloud.api.ec2.instance_types import InstanceTypesMixin
from amikiln_localcloud.api.ec2.launch_templates import LaunchTemplateRequests, LaunchTemplatesMixin
from amikiln_localcloud.api.ec2.run_instances import InstancesMixin


class LocalEC2Response(
    AuthorizedRequests,
    ImageRequests,
    InstanceRequests,
    LaunchTemplateRequests,
    EC2Response,
):
    """Parses and answers EC2's requests."""

    def _authenticate_and_authorize_normal_action(self, resource: str = "*") -> None:
        super()._authenticate_and_authorize_normal_action(resource)
        # Half of moto's actions forget that a dry run ends here, and do what was asked.
        if self._get_bool_param("DryRun", False):
            why = "Request would have succeeded, but DryRun flag is set."
            raise DryRunEnded("DryRunOperation", why)


class DryRunEnded(AccessDenied):
    """The answer to a dry run of a request that is allowed."""

    code = 412


class LocalEC2Backend(InstanceTypesMixin, ImagesMixin, InstancesMixin, LaunchTemplatesMixin):
    """One region's EC2."""

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(
            url_bases=urls.url_bases, url_paths={"{0}/": LocalEC2Response.dispatch}
        )
