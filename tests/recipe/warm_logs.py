"""What buildx says of warm builds, and a plan that has one."""

from __future__ import annotations

import base64
import json
from typing import Any

from recipe.root_folder import OWNER, RootFolder

CONTEXT = "mkdir -p /var/tmp/amikiln-context"
SECRET = "hf_notARealToken0123456789abcdefgh"


def report(**content: Any) -> str:
    return json.dumps(content, separators=(",", ":")).replace("&", "\\u0026")


def vertex(digest: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"digest": f"sha256:{digest}", "name": name, **fields}


START, END = "2026-11-24T06:00:00Z", "2026-11-24T06:00:30Z"
STATUS = {"id": "sha256:9", "vertex": "sha256:1", "name": "extracting"}


def said(digest: str, text: str) -> dict[str, Any]:
    return {
        "vertex": f"sha256:{digest}",
        "stream": 1,
        "data": base64.b64encode(text.encode()).decode(),
        "timestamp": END,
    }


WORKED = [
    report(vertexes=[vertex("0", "[internal] load build definition", started=START)]),
    report(vertexes=[vertex("1", '[1/2] RUN echo "a" && b', started=START)]),
    report(logs=[said("1", "compiling\n")]),
    report(
        vertexes=[vertex("1", '[1/2] RUN echo "a" && b', started=START, completed=END)],
        statuses=[STATUS],
        logs=[said("1", "a token\n")],
    ),
    report(vertexes=[vertex("2", "[2/2] COPY . .", started=START, completed=END, cached=True)]),
]
FAILED = [
    *WORKED[:2],
    report(logs=[said("1", "all is well\n"), said("3", "cc: no such file: lua.c\n")]),
    report(logs=[said("3", "make: *** [all] Error 1\n")]),
    report(
        vertexes=[vertex("3", "[2/2] RUN make", started=START, completed=END, error="exit code: 2")]
    ),
    "ERROR: target default: failed to solve: exit code: 2",
]


# What buildx says of itself and of the bake files before the first build.
RESOLVED = {"group": {"default": {}}, "target": {"test": {"context": "."}, "docs-1": {}}}
RESOLVE = f"""
case "$*" in
exec*) exit ;; # BuildKit's records
*--help*) echo "      --allow stringArray   Allow build to access resources"; exit ;;
*--print*) printf '%s\\n' '{json.dumps(RESOLVED, indent=2)}'; exit ;;
esac
"""


def prepare(root: RootFolder) -> RootFolder:
    """Return the root folder with a warm build in its plan."""
    root.plan_changes = {
        "buildkit": {"builder": "baked", "owner": OWNER},
        "warm": {
            "context": "warm",
            "bake_files": ["docker-bake.hcl", "ci.hcl"],
            "targets": ["test", "docs"],
            "build_args": {"FLAGS": "-O2 it's"},
            "variables": {"COMMIT": "0a b"},
            "cache_from": ["type=registry,ref=host/cache:main"],
            "secrets": ["token"],
            "attempts": 2,
        },
    }
    root.fake_program("sleep")
    return root
