"""What is told of a stack's resources: when one was made, updated, deleted, or why it was not.

moto tells of the stack alone, and a failed request leaves a stack that is half made.
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackEvent.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import ServiceException

log = logging.getLogger("amikiln.stacks")


@dataclass(frozen=True)
class Made:
    """A resource that is there.

    Attributes:
        text: What the template says of it, with parameters' values, and other resources by name.
        definition: The same with other resources' values, dynamic references as text.
        resolved: The same with their values.
        resource: moto's object.
    """

    text: dict[str, Any]
    definition: dict[str, Any]
    resolved: dict[str, Any]
    resource: Any


Note = Callable[[str, str, Made | None, str | None], None]
"""Called with a resource's logical id, its new status, what is there of it, and why."""


class ResourceFailure(Exception):
    """A resource could not be made, updated or deleted; says which, and why."""


class Failing:
    """Turns whatever a resource's handler raises into a failure that names the resource."""

    def __init__(self, name: str, note: Note, status: str) -> None:
        self._name, self._note, self._status = name, note, status

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, Exception):
            return
        if isinstance(error, ServiceException):
            why = str(error.message)
        elif isinstance(error, NotImplementedError):
            why = f"the local cloud does not have this: {error}"
        else:
            log.error("resource %s failed", self._name, exc_info=error)
            why = f"the local cloud failed; its log has the details: {error}"
        self._note(self._name, self._status, None, why)
        raise ResourceFailure(f"The following resource(s) failed: [{self._name}]. {why}") from error
