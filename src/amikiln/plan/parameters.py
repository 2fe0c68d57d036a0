"""The SSM parameters that hold ids for a spec."""

from __future__ import annotations

from amikiln.errors import PreflightError
from amikiln.session import Session
from amikiln.spec.spec import Spec


def read_parameter(spec: Spec, path: str, key: str, session: Session) -> str:
    """Return the value of a parameter that a spec names.

    Args:
        spec: Whose region stands for ``{region}``.
        path: The parameter's path in the spec.
        key: The spec's key that has the path, for the error.
        session: The cloud to look in.

    Raises:
        PreflightError: There is no such parameter.
    """
    name = spec.in_region(path)
    found = session.cloud.parameters.get(name)
    if found is None:
        raise PreflightError(
            f"there is no SSM parameter {name} in {session.cloud.region}",
            hint=f"create it, or correct {key} in image.toml",
        )
    return found.value
