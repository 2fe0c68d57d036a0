"""The arguments of the warm build, which is a ``docker buildx bake``, as shell files."""

from __future__ import annotations

import json
import shlex

from amikiln.recipe.paths import RECIPE_DIRECTORY, SECRETS_DIRECTORY
from amikiln.spec.content import Warm

DOCKERFILE_AS_BAKE_FILE = "warm-bake.json"


def render_files(warm: Warm) -> dict[str, bytes]:
    """Return the recipe's files for a spec's warm build.

    ``warm-arguments.sh`` sets the positional parameters: the words after ``docker buildx bake``.
    ``warm-variables.sh`` puts variables for env(1) before them. Nothing is exported, pushed or
    loaded: only the cache stays (https://docs.docker.com/build/exporters/).
    """
    words = [f"--file={name}" for name in warm.bake_files]
    files = {}
    if warm.dockerfile is not None:
        target = {"context": ".", "dockerfile": warm.dockerfile}
        files[DOCKERFILE_AS_BAKE_FILE] = json.dumps({"target": {"default": target}}).encode()
        words.append(f"--file={RECIPE_DIRECTORY}/{DOCKERFILE_AS_BAKE_FILE}")
    changes = ["*.output=type=cacheonly", "*.cache-to="]
    changes += [f"*.args.{name}={value}" for name, value in sorted(warm.build_args.items())]
    changes += [f"*.cache-from={source}" for source in warm.cache_from]
    changes += [f"*.secrets=id={name},src={SECRETS_DIRECTORY}/{name}" for name in warm.secrets]
    words += [f"--set={change}" for change in changes]
    words += warm.targets
    variables = [f"{name}={value}" for name, value in sorted(warm.variables.items())]
    files["warm-arguments.sh"] = _script("set --", *map(shlex.quote, words))
    files["warm-variables.sh"] = _script("set --", *map(shlex.quote, variables), '"$@"')
    return files


def _script(*words: str) -> bytes:
    return f"# shellcheck shell=sh\n{' '.join(words)}\n".encode()
