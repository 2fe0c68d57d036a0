"""``AWS::SSM::Parameter``: a generated name if the template has none, and a history.

moto fails without a name, and an update deletes the parameter with all of its versions.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/
aws-resource-ssm-parameter.html
"""

from __future__ import annotations

from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.ssm.models import Parameter, ssm_backends


class ParameterResource(Parameter):
    """CloudFormation's handlers for the type; the parameters themselves are moto's."""

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
        **kwargs: Any,
    ) -> Parameter:
        """Put the first version; a parameter that exists already is an error."""
        properties = cloudformation_json["Properties"]
        return _put(resource_name, properties, account_id, region_name, overwrite=False)

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Parameter:
        """Put another version.

        Raises:
            ValidationError: The change needs another parameter.
        """
        properties = cloudformation_json["Properties"]
        name = original_resource.name
        if properties.get("Name", name) != name:
            raise ValidationError(
                message="the local cloud does not replace a parameter by one of another name"
            )
        return _put(name, properties, account_id, region_name, overwrite=True)


def _put(
    name: str, properties: dict[str, Any], account_id: str, region: str, *, overwrite: bool
) -> Parameter:
    if properties.get("Type") == "SecureString":
        raise ValidationError(
            message="SSM Parameters of type SecureString cannot be created using CloudFormation"
        )
    backend = ssm_backends[account_id][region]
    # A template may hold numbers where the API has text.
    version = backend.put_parameter(
        name,
        str(properties.get("Description", "")),
        str(properties.get("Value", "")),
        properties.get("Type", "String"),
        str(properties.get("AllowedPattern", "")),
        "",  # only a SecureString has a key
        overwrite,
        [],
        properties.get("DataType", "text"),
        tier=properties.get("Tier"),
        policies=properties.get("Policies"),
    )
    if tags := properties.get("Tags"):
        texts = {str(key): str(value) for key, value in tags.items()}
        backend.add_tags_to_resource("Parameter", name, texts)
    return version
