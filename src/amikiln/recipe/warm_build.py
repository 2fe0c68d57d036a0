"""The arguments of the warm build, which is a ``docker buildx bake``, as shell files."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence

from amikiln.model.canonical import canonical_json
from amikiln.recipe.paths import RECIPE_DIRECTORY, SECRETS_DIRECTORY
from amikiln.spec.content import COMMIT_PLACE, Warm

CONTEXT_COMMIT = "CONTEXT_COMMIT"
"""The variable of resolved.env with the commit."""
DOCKERFILE_AS_BAKE_FILE = "warm-bake.json"


def render_files(warm: Warm, entitlements: Sequence[str]) -> dict[str, bytes]:
    """Return the recipe's files for a spec's warm build; warm.sh puts its words together.

    ``warm-arguments.sh`` puts files and values before the positional parameters,
    ``warm-targets.sh`` the targets, ``warm-variables.sh`` variables for env(1).
    ``warm-added.json`` has what each target gets besides its own, and ``warm-grants.list`` what
    ``--allow`` grants.

    Args:
        warm: The spec's table.
        entitlements: What the builder grants.
    """
    words = [f"--file={path}" for path in _list_bake_files(warm)]
    files = {}
    if warm.dockerfile is not None:
        target = {"context": ".", "dockerfile": warm.dockerfile}
        files[DOCKERFILE_AS_BAKE_FILE] = json.dumps({"target": {"default": target}}).encode()
        words.append(f"--file={RECIPE_DIRECTORY}/{DOCKERFILE_AS_BAKE_FILE}")
    args = {"*": warm.build_args, **dict(sorted(warm.target_args.items()))}
    words += [
        f"--set={target}.args.{name}={value}"
        for target, values in args.items()
        for name, value in sorted(values.items())
    ]
    variables = [f"{name}={value}" for name, value in sorted(warm.variables.items())]
    secrets = {name: f"{SECRETS_DIRECTORY}/{name}" for name in warm.secrets}
    added = {
        "cache-from": list(warm.cache_from),
        "secret": [f"id={name},src={path}" for name, path in secrets.items()],
    }
    grants = [*entitlements, *warm.allow, *(f"fs.read={path}" for path in secrets.values())]
    files["warm-arguments.sh"] = _put_before(*words)
    files["warm-targets.sh"] = _put_before(*warm.targets)
    files["warm-variables.sh"] = _put_before(*variables)
    files["warm-added.json"] = canonical_json({k: v for k, v in added.items() if v}).encode()
    files["warm-grants.list"] = "".join(f"{grant}\n" for grant in dict.fromkeys(grants)).encode()
    return files


def _list_bake_files(warm: Warm) -> Iterator[str]:
    for number, entry in enumerate(warm.bake_files, 1):
        name = entry.name_in_recipe(number)
        yield entry.file or "" if name is None else f"{RECIPE_DIRECTORY}/{name}"


def _quote(word: str) -> str:
    """Return a word for the shell, in which the context's commit is filled in."""
    return f'"${CONTEXT_COMMIT}"'.join(map(shlex.quote, word.split(COMMIT_PLACE)))


def _put_before(*words: str) -> bytes:
    quoted = " ".join(map(_quote, words))
    return f'# shellcheck shell=sh\nset -- {quoted} "$@"\n'.encode()
