"""BuildKit's store: what it held at the bake, it still holds."""

from __future__ import annotations

import json

from amikiln import recipe
from amikiln.checks.finding import Finding, Subject
from amikiln.model import Outcome


def store_kept(subject: Subject) -> Finding:
    """The cache is no smaller than at the bake, and no database was set aside.

    BuildKit renames one that does not open to ``*.bak``, and starts with an empty one:
    https://github.com/moby/buildkit/blob/v0.26.3/util/db/boltutil/db.go
    """
    baked = subject.manifest()["store"]
    answer = subject.ask(
        f"cd {recipe.REMOTE_DIRECTORY} && sh -euc '. ./lib.sh;"
        ' builder_store; printf "\\n"; state=$(builder_state_directory); test -d "$state";'
        ' find "$state" -name "*.bak*" -path "*.db*"\''
    )
    first, *set_aside = answer.splitlines()
    now = json.loads(first)
    sizes = [
        f"{store['records']} records, {store['bytes'] / 1_000_000:.1f} MB" for store in (now, baked)
    ]
    evidence = f"{sizes[0]}; at the bake {sizes[1]}"
    hint = "was the builder made anew, or stopped while it wrote? it then starts empty, silently"
    if set_aside:
        return Outcome.FAIL, f"a database was set aside: {', '.join(set_aside)}; {evidence}", hint
    if now["records"] < baked["records"] or now["bytes"] < baked["bytes"]:
        return Outcome.FAIL, evidence, hint
    return Outcome.PASS, evidence, ""
