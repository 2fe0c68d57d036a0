"""Says what is other now than it was when planned: values by their keys, files by their names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from amikiln.spec.words import shorten


def of_values(planned: Any, now: Any, key: str = "") -> Iterator[str]:
    """Yield a line for each key whose value differs, in the order of today's keys.

    Args:
        planned: What was planned, as JSON.
        now: What is there.
        key: Where both are, as ``volume.size_gib``.
    """
    if isinstance(planned, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys([*now, *planned]):
            path = f"{key}.{name}" if key else str(name)
            if name not in planned:
                yield f"{path} is {_show(now[name])}, and was not there when planned"
            elif name not in now:
                yield f"{path} is not there, and was {_show(planned[name])} when planned"
            else:
                yield from of_values(planned[name], now[name], path)
    elif planned != now:
        yield f"{key} is {_show(now)}, and was {_show(planned)} when planned"


def of_files(planned: Any, now: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name of each file that differs, and how.

    Args:
        planned: Names and hashes when planned, as JSON.
        now: Names and hashes of what is there.
    """
    planned = planned if isinstance(planned, Mapping) else {}
    for name in sorted({*planned, *now}):
        if name not in now:
            yield name, "is missing: the plan has it"
        elif name not in planned:
            yield name, "was added: the plan does not have it"
        elif planned[name] != now[name]:
            yield name, "differs from the plan's"


def _show(value: Any) -> str:
    return shorten(json.dumps(value, ensure_ascii=False))
