"""No secret is in the image: the bake's scan left nothing open, and the short list is empty."""

from __future__ import annotations

import json
import shlex

from amikiln.verify.checks.finding import Finding, Subject, failed, passed, unknown


def no_secrets(subject: Subject) -> Finding:
    """The bake's scan found nothing that is not allowed, and neither does the short list now."""
    scan = subject.read_manifest()["scan"]
    if scan["files"] < 1:
        return unknown("the bake's scan read no file", "see the bake's 97-scan step")
    if scan["open"] != 0:
        return failed(
            f"the bake's scan left {scan['open']} findings open",
            "the bake's 97-scan step names them",
        )
    rows = subject.read_rows(
        "sh short-list.sh / booted >short.list &&"
        " awk -f findings.awk listing=1 secrets.allow listing=0 short.list"
    )
    open_rows = [(kind, path) for state, kind, path, *_ in rows if state != "allowed"]
    known = {(it["kind"], it["path"]): it["sha256"] for it in scan["source"]}
    if found := [
        f'{kind} in "{path}"'
        for kind, path in open_rows
        if not _is_unchanged(path, known.get((kind, path)), subject)
    ]:
        return failed(
            ", ".join(found),
            "remove them in a step of your own, or allow them in [[secrets.allow]] with a reason",
        )
    return passed(
        f"{scan['scanner']} saw {scan['files']} files in the bake,"
        f" {len(scan['allowed'])} findings allowed and {len(known)} of the source image; the short"
        " list has no other"
    )


def _is_unchanged(path: str, sha256: str | None, subject: Subject) -> bool:
    """Tell whether a file, named as in a JSON string, has the content of the source image's."""
    if sha256 is None:
        return False
    file = shlex.quote(json.loads(f'"{path}"'))
    return subject.ask(f"sha256sum <{file} || true").startswith(sha256)
