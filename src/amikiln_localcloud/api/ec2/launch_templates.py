"""Launch templates: all of their data is used, and ``resolve:ssm:`` is resolved at launch.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/
using-systems-manager-parameters.html and
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/
create-launch-template.html#use-an-ssm-parameter-instead-of-an-ami-id
"""

from __future__ import annotations

import copy
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data

from amikiln_localcloud.api.ec2.backend import BaseEC2Backend
from amikiln_localcloud.api.errors import ec2_error
from amikiln_localcloud.api.ssm.parameters import find_parameter

REFERENCE = "resolve:ssm:"


class LaunchTemplatesMixin(BaseEC2Backend):
    """What a launch reads of a launch template."""

    def find_template(self, reference: dict[str, Any]) -> LaunchTemplate:
        """Return the launch template that a request refers to.

        Args:
            reference: ``LaunchTemplateId`` or ``LaunchTemplateName``.

        Raises:
            EC2ClientError: There is no such template.
        """
        if reference.get("LaunchTemplateId"):
            return self.get_launch_template(reference["LaunchTemplateId"])
        return self.get_launch_template_by_name(reference["LaunchTemplateName"])

    def find_template_data(self, reference: dict[str, Any]) -> dict[str, Any]:
        """Return the data of the launch template version that a request refers to.

        Args:
            reference: ``LaunchTemplateId`` or ``LaunchTemplateName``, and ``Version``; empty for
                a launch without a template, which has no data.

        Raises:
            EC2ClientError: There is no such template or version.
        """
        if not reference:
            return {}
        version = self.find_template(reference).get_version(reference.get("Version") or "$Default")
        data: dict[str, Any] = version.data
        return data

    def resolve_image_id(self, image_id: str) -> str:
        """Return the image id that ``resolve:ssm:NAME``, ``:VERSION`` or ``:LABEL`` refers to now.

        Anything else is returned unchanged.

        Raises:
            EC2ClientError: InvalidParameterValue: no such parameter, version or label.
        """
        if not image_id.startswith(REFERENCE):
            return image_id
        name = image_id.removeprefix(REFERENCE)
        parameter = find_parameter(name, self.account_id, self.region_name)
        if parameter is None:
            raise ec2_error(
                "InvalidParameterValue",
                f"Invalid value '{image_id}' for imageId: the Systems Manager parameter, or this "
                "version or label of it, does not exist",
            )
        return str(parameter.value)


class LaunchTemplateRequests(LaunchTemplates):
    """Versions that start from another one, and image ids resolved on request."""

    def create_launch_template_version(self) -> ActionResult:
        """Lay the request's data over SourceVersion's, which moto ignores."""
        data: dict[str, Any] = self._get_param("LaunchTemplateData", {})
        if "UserData" in data:
            # moto does this for a template's first version only, and fails on others.
            data["UserData"] = parse_user_data(data["UserData"])
        if source := self._get_param("SourceVersion"):
            reference = {
                "LaunchTemplateId": self._get_param("LaunchTemplateId"),
                "LaunchTemplateName": self._get_param("LaunchTemplateName"),
                "Version": source,
            }
            older = copy.deepcopy(self._templates.find_template_data(reference))
            data = {**older, **data}
        self.params["LaunchTemplateData"] = data
        return super().create_launch_template_version()

    def describe_launch_template_versions(self) -> ActionResult:
        """Answer ResolveAlias with the image id that the parameter refers to now."""
        answer = super().describe_launch_template_versions()
        if self._get_bool_param("ResolveAlias", False):
            result: Any = answer.result
            for version in result["LaunchTemplateVersions"]:
                data = version["LaunchTemplateData"]
                if "ImageId" in data:
                    image_id = self._templates.resolve_image_id(data["ImageId"])
                    version["LaunchTemplateData"] = {**data, "ImageId": image_id}
        return answer

    @property
    def _templates(self) -> LaunchTemplatesMixin:
        backend: LaunchTemplatesMixin = self.ec2_backend
        return backend
