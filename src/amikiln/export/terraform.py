"""What terraform/aws takes from a spec: the values of its variables, as JSON.

Terraform reads every ``*.auto.tfvars.json`` beside its files by itself
(https://developer.hashicorp.com/terraform/language/values/variables).
"""

from __future__ import annotations

import json

from amikiln.spec.spec import Spec


def text(spec: Spec) -> str:
    """Return the variables' values; the spec is the one place where they are written by hand.

    The two parameters that Terraform fills are the spec's own, or else lie below the pointer,
    where image.toml may name them once they are there.
    """
    wanted = spec.instance
    values = {
        "name": spec.name,
        "region": spec.region,
        "pointer": spec.pointer,
        "pointer_data_type": spec.publish.data_type,
        "subnet_parameter": spec.in_region(wanted.subnet_parameter or f"{spec.pointer}/subnet-id"),
        "security_group_parameter": spec.in_region(
            wanted.security_group_parameter or f"{spec.pointer}/security-group-id"
        ),
        "schedule": spec.schedule,
        "instance_types": spec.fleet.instance_types or wanted.types,
        "volume": spec.volume.model_dump(),
        "instance_storage": spec.fleet.instance_storage,
        "user_namespace_remap": spec.fleet.user_namespace_remap,
    }
    if spec.source.stack_version is not None:
        # The fleet's machines start from an image that is based on this release's.
        values["stack_version"] = spec.source.stack_version
    return json.dumps(values, indent=2) + "\n"
