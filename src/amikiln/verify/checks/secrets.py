"""No secret is in the image: the bake's scan left nothing open, and the short list is empty."""

from __future__ import annotations

from amikiln.verify.checks.finding import Finding, Subject, failed, passed


def no_secrets(subject: Subject) -> Finding:
    """The bake's scan found nothing that is not allowed, and neither does the short list now."""
    scan = subject.read_manifest()["scan"]
    if scan["open"] != 0:
        return failed(
            f"the bake's scan left {scan['open']} findings open",
            "the bake's 97-scan step names them",
        )
    rows = subject.read_rows(
        "sh short-list.sh / booted >short.list &&"
        " awk -f findings.awk listing=1 secrets.allow listing=0 short.list"
    )
    if found := [f'{kind} in "{path}"' for state, kind, path, *_ in rows if state != "allowed"]:
        return failed(
            ", ".join(found),
            "remove them in a step of your own, or allow them in [[secrets.allow]] with a reason",
        )
    return passed(
        f"{scan['scanner']} saw {scan['files']} files in the bake,"
        f" {len(scan['allowed'])} findings allowed; the short list is empty"
    )
