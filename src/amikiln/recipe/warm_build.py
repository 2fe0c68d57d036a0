"""The arguments of the warm build, which is a ``docker buildx bake``, as shell files."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

from amikiln.recipe.paths import RECIPE_DIRECTORY, SECRETS_DIRECTORY
from amikiln.spec.content import COMMIT_PLACE, Warm

CONTEXT_COMMIT = "CONTEXT_COMMIT"
"""The variable of resolved.env with the commit."""
DOCKERFILE_AS_BAKE_FILE = "warm-bake.json"


def render_files(warm: Warm) -> dict[str, bytes]:
    """Return the recipe's files for a spec's warm build.

    ``warm-arguments.sh`` sets the positional parameters: the words after ``docker buildx bake``.
    ``warm-variables.sh`` puts variables for env(1) before them. Nothing is exported, pushed or
    loaded: only the cache stays (https://docs.docker.com/build/exporters/).
    """
    words = [f"--file={path}" for path in _list_bake_files(warm)]
    files = {}
    if warm.dockerfile is not None:
        target = {"context": ".", "dockerfile": warm.dockerfile}
        files[DOCKERFILE_AS_BAKE_FILE] = json.dumps({"target": {"default": target}}).encode()
        words.append(f"--file={RECIPE_DIRECTORY}/{DOCKERFILE_AS_BAKE_FILE}")
    changes = ["*.output=type=cacheonly", "*.cache-to="]
    args = {"*": warm.build_args, **dict(sorted(warm.target_args.items()))}
    changes += [
        f"{target}.args.{name}={value}"
        for target, values in args.items()
        for name, value in sorted(values.items())
    ]
    changes += [f"*.cache-from={source}" for source in warm.cache_from]
    changes += [f"*.secrets=id={name},src={SECRETS_DIRECTORY}/{name}" for name in warm.secrets]
    words += [f"--set={change}" for change in changes]
    words += warm.targets
    variables = [f"{name}={value}" for name, value in sorted(warm.variables.items())]
    files["warm-arguments.sh"] = _script("set --", *map(_quote, words))
    files["warm-variables.sh"] = _script("set --", *map(_quote, variables), '"$@"')
    return files


def _list_bake_files(warm: Warm) -> Iterator[str]:
    for number, entry in enumerate(warm.bake_files, 1):
        name = entry.name_in_recipe(number)
        yield entry.file or "" if name is None else f"{RECIPE_DIRECTORY}/{name}"


def _quote(word: str) -> str:
    """Return a word for the shell, in which the context's commit is filled in."""
    return f'"${CONTEXT_COMMIT}"'.join(map(shlex.quote, word.split(COMMIT_PLACE)))


def _script(*words: str) -> bytes:
    return f"# shellcheck shell=sh\n{' '.join(words)}\n".encode()
