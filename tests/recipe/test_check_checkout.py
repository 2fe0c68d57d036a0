"""The warm build from another checkout: what an agent's clone has otherwise, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from recipe.root_folder import ADD_OWNER, OWNER, SYSTEMD_RUN, RootFolder
from recipe.test_warm_build import WORKED

CONTEXT = "/var/tmp/amikiln-context"  # noqa: S108
LAY_OUT = f"""
mkdir -p {CONTEXT}/.git/objects {CONTEXT}/src
echo main >{CONTEXT}/src/main.c
echo make >{CONTEXT}/build.sh
ln -s build.sh {CONTEXT}/link
echo '[core]' >{CONTEXT}/.git/config
mkdir -p {CONTEXT}/.git/modules/sub
echo '[core]' >{CONTEXT}/.git/modules/sub/config
chmod -R u=rwX,go=rX {CONTEXT}
chmod 755 {CONTEXT}/build.sh
find {CONTEXT} -exec touch -h -d @0 {{}} +
"""
CHANGED = ("FETCH_HEAD", "config", "logs/HEAD")
LOOK = f"""
cd {CONTEXT} && find . -path ./.git -prune -o -printf '%p %m %y %T@\\n' | sort
find .git -type f | sort
"""


@pytest.fixture
def warm(root: RootFolder) -> RootFolder:
    root.plan_changes = {
        "buildkit": {"builder": "baked", "owner": OWNER},
        "warm": {
            "context": "https://example.org/a.git#main",
            "dockerfile": "Dockerfile",
            "variables": {"COMMIT": "{commit}"},
        },
    }
    root.put("answers/targets", json.dumps({"target": {"default": {"context": "."}}}, indent=2))
    root.put("answers/1", "\n".join(WORKED) + "\n")
    root.fake_program(
        "docker",
        f"""
case "$*" in
*--help*) exit ;;
*--print*) cat /answers/targets; exit ;;
esac
({LOOK}) >>/state/seen
echo commit $COMMIT >>/state/seen
cat /answers/1""",
    )
    return root


def check(warm: RootFolder, umask: str = "0022") -> tuple[list[str], list[str]]:
    """Run the check's script; return what it printed, and what the builds saw."""
    # The one that runuser(1) would give is this system's.
    own = f'case "$*" in *" umask") echo {umask}; exit ;; esac'
    warm.fake_program("systemd-run", f"{own}\n{SYSTEMD_RUN}")
    warm.run(
        "50-warm",
        before=f"{ADD_OWNER}; {LAY_OUT}",
        after="cd /recipe; rm -f /state/seen; export CHECKOUT_SECONDS=9;"
        " sh -eu check-checkout.sh; cat /state/seen",
    )
    lines = warm.left.splitlines()
    end = next(n for n, line in enumerate(lines) if line == umask)
    return lines[: end + 1], lines[end + 1 :]


def test_three_builds_are_reported_with_their_steps(warm: RootFolder) -> None:
    said, _ = check(warm)
    reports = [json.loads(line) for line in said if line.startswith("{")]
    assert all(set(report) == {"vertexes"} for report in reports)
    assert [line for line in said if line.startswith("ended")] == [
        "ended same 0",
        "ended checkout 0",
        "ended commit 0",
    ]


@pytest.mark.parametrize(
    ("umask", "modes"),
    [
        ("0022", ("755", "644", "755")),
        ("0002", ("775", "664", "775")),
        ("0077", ("700", "600", "700")),
    ],
)
def test_times_modes_and_git_are_those_of_an_agent_s_checkout(
    warm: RootFolder, umask: str, modes: tuple[str, str, str]
) -> None:
    _, seen = check(warm, umask)
    first, second, third = split_at_commits(seen)
    program, file, folder = modes
    assert [line.split()[:3] for line in second["files"][1:]] == [
        ["./build.sh", program, "f"],
        ["./link", "777", "l"],
        ["./src", folder, "d"],
        ["./src/main.c", file, "f"],
    ]
    assert [line.split()[1] for line in first["files"][1:]] == ["755", "777", "755", "644"]
    times = [line.split()[3] for line in first["files"]]
    assert times == ["0.0000000000"] * len(times)
    assert not {*times} & {line.split()[3] for line in second["files"][1:]}
    submodule = ".git/modules/sub"
    assert first["git"] == [".git/config", f"{submodule}/config"]
    changed = [f"{place}/{name}" for place in (".git", submodule) for name in CHANGED]
    assert second["git"] == sorted(changed)
    assert (first["commit"], second["commit"]) == ("", "")
    assert third["commit"] == "0123456789abcdef0123456789abcdef01234567"
    assert third["files"] == second["files"]


def split_at_commits(seen: list[str]) -> list[dict[str, Any]]:
    """Return what each build saw: its files, those of .git, and the commit that it was told."""
    builds: list[dict[str, Any]] = []
    lines: list[str] = []
    for line in seen:
        if line.startswith("commit"):
            files = [each for each in lines if len(each.split()) > 1]
            git = [each for each in lines if len(each.split()) == 1]
            builds.append({"files": files, "git": git, "commit": line[7:]})
            lines = []
        else:
            lines.append(line)
    return builds
