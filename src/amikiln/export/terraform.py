"""The values of terraform/aws's variables, from a spec, as JSON.

Terraform loads every ``*.auto.tfvars.json`` in its folder automatically
(https://developer.hashicorp.com/terraform/language/values/variables).
"""

from __future__ import annotations

import json

from amikiln.errors import SpecError
from amikiln.spec import stack_boot, timing
from amikiln.spec.spec import Spec


def render_variables(spec: Spec, own: tuple[int, int] = (0, 0)) -> str:
    """Return the variables' values; the spec is the only place where they are written by hand.

    Terraform writes two parameters, the subnet's and the security group's. If the spec names none,
    they are put below the pointer, and image.toml can name them once they exist.

    Args:
        spec: The image.
        own: How many steps and how many checks lie beside it.

    Raises:
        SpecError: The fleet's environment has what the stack cannot give its machines.
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
        # The image is made from this release's, and the fleet's machines boot as it does.
        "stack_version": spec.source.stack_version,
        "stack_distribution": spec.source.stack_distribution,
        "stack_parameters": _list_stack_parameters(spec),
    }
    return json.dumps(values, indent=2) + "\n"


def _list_stack_parameters(spec: Spec) -> dict[str, str]:
    try:
        return stack_boot.list_parameters(spec.fleet)
    except KeyError as error:
        raise SpecError(
            f"fleet.environment.{error.args[0]}: no parameter of the Elastic CI Stack sets it",
            hint="remove it: the queues' machines would boot otherwise than verify's",
        ) from error
