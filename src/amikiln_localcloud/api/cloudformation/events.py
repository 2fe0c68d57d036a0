"""The events of a stack's resources: one was created, updated, deleted, or why it was not.

moto has events of the stack alone, and a failed request leaves a stack that is half made.
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackEvent.html
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from moto.core.exceptions import ServiceException

from amikiln_localcloud.api.served import explain_refusal

log = logging.getLogger("amikiln.stacks")


@dataclass(frozen=True)
class StackResource:
    """A resource that exists.

    Attributes:
        text: Its definition with parameters' values, and other resources by name.
        definition: The same with other resources' values, dynamic references as text.
        resolved: The same with dynamic references' values.
        resource: moto's object.
    """

    text: dict[str, Any]
    definition: dict[str, Any]
    resolved: dict[str, Any]
    resource: Any


AddEvent = Callable[[str, str, StackResource | None, str | None], None]
"""Called with a resource's logical id, its new status, the resource if it exists, and why."""


class ResourceFailure(Exception):
    """A resource could not be created, updated or deleted; says which, and why."""


@contextmanager
def report_failure(name: str, add_event: AddEvent, status: str) -> Iterator[None]:
    """Turn whatever a resource's handler raises into a failure that names the resource.

    Args:
        name: The resource's logical id.
        add_event: Called if the block fails.
        status: The resource's status after a failure.

    Raises:
        ResourceFailure: The block raised something.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, ServiceException):
            why = str(error.message)
        elif isinstance(error, NotImplementedError):
            why = explain_refusal(error, name)
        else:
            log.exception("resource %s failed", name)
            why = f"the local cloud failed; its log has the details: {error}"
        add_event(name, status, None, why)
        raise ResourceFailure(f"The following resource(s) failed: [{name}]. {why}") from error
