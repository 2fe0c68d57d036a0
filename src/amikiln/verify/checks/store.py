"""BuildKit's store: what it held at the bake, it still holds."""

from __future__ import annotations

import json

from amikiln.recipe.paths import RECIPE_DIRECTORY
from amikiln.verify.checks.finding import Finding, Subject, failed, passed


def store_kept(subject: Subject) -> Finding:
    """The cache is no smaller than at the bake, and no database was set aside.

    BuildKit renames a cache.db that does not open to ``cache.db.ID.bak``, and starts empty:
    https://github.com/moby/buildkit/blob/v0.26.3/solver/bboltcachestorage/storage.go
    """
    baked = subject.read_manifest()["store"]
    answer = subject.ask(
        f"cd {RECIPE_DIRECTORY} && sh -euc '. ./lib.sh;"
        ' print_builder_store; printf "\\n"; state=$(find_builder_state);'
        # Not deeper: below are the layers, with many files that do not matter here.
        ' test -e "$state/cache.db"; find "$state" -maxdepth 2 -name "*.db*.bak*"\''
    )
    first, *set_aside = answer.splitlines()
    now = json.loads(first)
    sizes = [
        f"{store['records']} records, {store['bytes'] / 1_000_000:.1f} MB" for store in (now, baked)
    ]
    evidence = f"{sizes[0]}; at the bake {sizes[1]}"
    hint = "was the builder created again, or killed while it wrote? then it starts empty, silently"
    if subject.plan.spec.warm is not None and baked["records"] < 1:
        return failed(f"the builder's store was empty at the bake already; {evidence}", hint)
    if set_aside:
        return failed(f"a database was set aside: {', '.join(set_aside)}; {evidence}", hint)
    if now["records"] < baked["records"] or now["bytes"] < baked["bytes"]:
        return failed(evidence, hint)
    return passed(evidence)
