"""The values of terraform/aws's variables, from a spec, as JSON.

Terraform loads every ``*.auto.tfvars.json`` in its folder automatically
(https://developer.hashicorp.com/terraform/language/values/variables).
"""

from __future__ import annotations

import json

from amikiln.spec import timing
from amikiln.spec.spec import Spec


def render_variables(spec: Spec, own: tuple[int, int] = (0, 0)) -> str:
    """Return the variables' values; the spec is the only place where they are written by hand.

    Terraform writes two parameters, the subnet's and the security group's. If the spec names none,
    they are put below the pointer, and image.toml can name them once they exist.

    Args:
        spec: The image.
        own: How many steps and how many checks lie beside it.
    """
    instance, pointer = spec.instance, spec.pointer
    values = {
        "name": spec.name,
        "region": spec.region,
        "pointer": pointer,
        "pointer_data_type": spec.publish.data_type,
        "subnet_parameter": spec.in_region(instance.subnet_parameter or f"{pointer}/subnet-id"),
        "security_group_parameter": spec.in_region(
            instance.security_group_parameter or f"{pointer}/security-group-id"
        ),
        "schedule": spec.schedule,
        "pipeline_timeout_minutes": max(timing.pipeline_minutes(spec, *own).values()),
        "instance_types": spec.fleet.instance_types or instance.types,
        "volume": spec.volume.model_dump(),
        "instance_storage": spec.fleet.instance_storage,
        "user_namespace_remap": spec.fleet.user_namespace_remap,
    }
    if spec.source.stack_version is not None:
        # The image is based on this release's, and so are the fleet's machines.
        values["stack_version"] = spec.source.stack_version
    return json.dumps(values, indent=2) + "\n"
