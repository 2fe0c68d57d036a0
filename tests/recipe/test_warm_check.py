"""The warm build on the machine that is verified: cut off from the network, asked, and read."""

from __future__ import annotations

import json

import pytest

from recipe.root_folder import ADD_OWNER, OWNER, RootFolder
from recipe.warm_logs import CONTEXT, FAILED, RESOLVE, WORKED, prepare


@pytest.fixture
def warm(root: RootFolder) -> RootFolder:
    return prepare(root)


FAKE_JOBS = {
    "systemd-run": 'while [ "${1#--}" != "$1" ]; do shift; done\n'
    f'exec runuser -u {OWNER} -- "$@"',
    "ip": 'case "$*" in *del*|*get*) exit 1 ;; esac',
    "ss": "echo 0 0 10.0.0.5:22 10.0.0.9:40000",
}


def verify(warm: RootFolder, builder: str) -> list[str]:
    """Bake, then run verify's builds; return what is printed, and how often it was cut off."""
    warm.put("answers/1", "\n".join(WORKED) + "\n")
    warm.put("answers/failed", "\n".join(FAILED) + "\n")
    for program, script in FAKE_JOBS.items():
        warm.fake_program(program, script)
    warm.fake_program("docker", f"{RESOLVE}\n{builder}")
    give_secret = "mkdir -p /run/amikiln-secrets; touch /run/amikiln-secrets/token"
    look = (
        "cd /recipe; mkdir -p /state; export CALLS=/state/calls; : >/state/calls;"
        " chmod 666 /state/calls; sh -eu check-warm.sh || echo code $?; grep '^ip' /state/calls"
    )
    warm.run("50-warm", before=f"{ADD_OWNER}; {CONTEXT}; {give_secret}", after=look)
    return warm.left.splitlines()


def test_verify_builds_the_same_cut_off_and_then_reads_the_results(warm: RootFolder) -> None:
    wrote = (
        'for word; do case $word in --set=*tar,dest=*) printf 12345 >"${word##*=}" ;; esac; done'
    )
    lines = verify(warm, f"cat /answers/1; {wrote}")
    steps = [line for line in lines if line.startswith("{")]
    assert [set(json.loads(line)) for line in steps] == [{"vertexes"}] * 8
    ended = [line.split() for line in lines if line.startswith("ended")]
    assert [(it[1], it[2], it[4]) for it in ended] == [("ask", "0", "0"), ("read", "0", "5")]
    kept = "pref 101 from 10.0.0.5 to 10.0.0.9 ipproto tcp sport 22 dport 40000 goto 103"
    assert lines.count(f"ip -4 rule add {kept}") == 2
    assert lines.count("ip -4 rule add pref 102 prohibit") == 2
    # The last thing is that the network is back.
    assert lines[-1].split()[2:4] == ["rule", "del"]


def test_a_build_that_fails_in_verify_shows_why(warm: RootFolder) -> None:
    failing = 'case "$*" in *cacheonly*) cat /answers/failed; exit 1 ;; esac; cat /answers/1'
    lines = verify(warm, failing)
    ended = next(number for number, line in enumerate(lines) if line.startswith("ended"))
    assert lines[ended].startswith("ended ask 1 ")
    assert "make: *** [all] Error 1" in lines[ended:]


def test_without_being_cut_off_nothing_is_built(
    warm: RootFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAKE_JOBS, "ip", 'case "$*" in *del*) exit 1 ;; esac')
    lines = verify(warm, "cat /answers/1")
    assert [line.split()[:3] for line in lines if line.startswith("ended")] == [
        ["ended", "ask", "1"]
    ]
    assert any("its rules have no effect" in line for line in lines)
    assert not [line for line in lines if line.startswith("{")]
