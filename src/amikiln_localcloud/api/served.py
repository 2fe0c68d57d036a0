"""What the local cloud has, by an explicit list: ``served.toml``.

moto answers for two hundred services, most of which only keep records. What nobody looked at here
is refused, so that no empty success is taken for a result.
"""

from __future__ import annotations

import functools
import json
import re
import tomllib
import urllib.parse
from pathlib import Path
from typing import Any

CODE = "UnsupportedOperation"
"""EC2's own code for what it does not do here; the other services have none, and get it too."""
SCOPE = re.compile(r"[=/]\d{8}/[^/,&]+/([^/,&]+)/aws4_request")


class NotPartOfCloud(NotImplementedError):
    """Somebody asked for something that the local cloud does not have."""

    def __init__(self, what: str, instead: str = "") -> None:
        super().__init__(f"{what} is not part of the local cloud" + (instead and f": {instead}"))


def require_served(service: str, action: str, body: bytes) -> None:
    """Refuse what is not in the list.

    Args:
        service: The name that the request was signed for; empty: it was not signed.
        action: The action; empty where a service names them by paths.
        body: With the action's parameters.

    Raises:
        NotPartOfCloud: It is not.
    """
    served = _read()["actions"]
    if service not in served:
        raise NotPartOfCloud(
            f"the service {service}" if service else "a request that is not signed",
            f"it has {', '.join(sorted(served))}",
        )
    if action not in served[service]:
        what = f"{service} {action}" if action else f"this request of {service}"
        raise NotPartOfCloud(what, _read()["instead"].get(service, {}).get(action, ""))
    if refused := _read()["refused_parameters"].get(service, {}).get(action):
        asked = sorted(_list_parameters(body) & set(refused))
        if asked:
            raise NotPartOfCloud(f"{', '.join(asked)} of {service} {action}")


def explain_refusal(error: NotImplementedError, what: str) -> str:
    """Return the words for a refusal, which moto's own have not.

    Args:
        error: Ours, or one of moto's.
        what: What was asked for.
    """
    if isinstance(error, NotPartOfCloud):
        return str(error)
    # As in: The filter 'x' for DescribeImages has not been implemented in Moto yet. Feel free ...
    told = str(error).partition(" has not been implemented")[0]
    return str(NotPartOfCloud(told or what))


def list_stack_types() -> list[str]:
    """Return the types of resources that stacks may have."""
    return list(_read()["stacks"]["types"])


def find_service(authorization: str, query: str) -> str:
    """Return the name of the service that a request was signed for; empty: it was not signed.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html

    Args:
        authorization: The header.
        query: The query string, where a signature may be instead.
    """
    found = SCOPE.search(authorization) or SCOPE.search(urllib.parse.unquote(query))
    return found.group(1).lower() if found else ""


def _list_parameters(body: bytes) -> set[str]:
    """Return the names of a request's parameters; one that is false or empty asks for nothing."""
    text = body.decode(errors="replace")
    if text.startswith("{"):
        return {name for name, value in json.loads(text).items() if value not in (False, "", [])}
    pairs = urllib.parse.parse_qsl(text)
    return {name.partition(".")[0] for name, value in pairs if value.lower() != "false"}


@functools.cache
def _read() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("served.toml").read_text())
