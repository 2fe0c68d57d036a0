"""The pointer as it is: whether amikiln can write to it."""

from __future__ import annotations

from amikiln.aws.parameters import Parameter
from amikiln.spec.spec import Spec


def fault(found: Parameter | None, spec: Spec) -> str | None:
    """Return why a run could not write its pointer; None: it can.

    AWS does not change the data type of a parameter that exists
    (https://github.com/hashicorp/terraform-provider-aws/issues/35959).

    Args:
        found: The parameter as it is now.
        spec: Says what it is to be.
    """
    wanted = spec.publish.data_type
    if found is None or found.data_type == wanted:
        return None
    return (
        f"{found.name} has the data type {found.data_type}, which AWS cannot change, and the spec"
        f" wants {wanted}: set publish.data_type to {found.data_type}, or publish.parameter to"
        " another path"
    )
