"""What a build asks for each time, by the real BuildKit: URLs, and what bake files say of it."""

from __future__ import annotations

import json
import os
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from amikiln.runtime.directories import cache_directory
from amikiln.runtime.progress import PlainReporter
from amikiln.verify.build_log import find_lost
from amikiln.verify.checks.warm_report import Report, read_report
from amikiln_localcloud.registry import buildx
from recipe.real_builder import BASE, REGISTRY, RealBuilder
from recipe.root_folder import OWNER

URL = "http://10.9.9.2:8000/one"
DOCKERFILE = f"""
FROM {BASE} AS first
RUN echo 1 >/first
ADD {URL} /one
RUN cat /one >/two
FROM first AS second
RUN echo 2 >/second
"""
BAKE = """
group "default" {
  targets = ["_all", "filtered"]
}
target "_all" {
  pull = true
}
target "filtered" {
  inherits        = ["_all"]
  no-cache-filter = ["second"]
}
"""
SEVERAL = """
group "default" {
  targets = ["plain", "many"]
}
target "_all" {
  output    = ["type=image,name=pushed:1,push=true"]
  tags      = ["pushed:1"]
  attest    = ["type=provenance,mode=max", "type=sbom"]
  platforms = ["linux/amd64", "linux/arm64"]
}
target "plain" {
  inherits = ["_all"]
  target   = "first"
}
target "many" {
  name     = "many-${what}"
  matrix   = { what = ["a", "b"] }
  inherits = ["_all"]
  args     = { WHAT = what }
}
"""
SERVE = """
mkdir -p /run/web
echo one >/run/web/one
ip netns exec registry python3 -m http.server --directory /run/web --bind 10.9.9.2 8000 \
    >/results/web.log 2>&1 &
until curl -fs http://10.9.9.2:8000/ >/dev/null; do sleep 0.05; done
"""
SERVE_GIT = """
git init -q -b main /run/git/dep
cd /run/git/dep
mkdir sub
echo lib >sub/lib.c
git add .
git -c user.name=a -c user.email=a@example.org commit -qm first
cd /recipe
ip netns exec registry git -c safe.directory='*' daemon --export-all --base-path=/run/git \
    --listen=10.9.9.2 >/results/git.log 2>&1 &
until git ls-remote git://10.9.9.2/dep >/dev/null 2>&1; do sleep 0.05; done
"""
CHECK = "cd /recipe; echo ==; TODAY_SECONDS=60 sh -eu check-warm.sh"


@pytest.fixture(params=["0.12.1", "0.30.1"])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> RealBuilder:
    if os.geteuid() != 0:
        pytest.skip("not run: a throwaway root folder is mounted by root")
    program = buildx.compile_program(request.param, cache_directory(), PlainReporter())
    folder = RealBuilder(tmp_path, buildx=program, seed=":")
    for name in ("systemctl", "sync"):
        folder.fake_program(name)
    folder.fake_machine("amazon")
    folder.context = {"Dockerfile": DOCKERFILE, "docker-bake.hcl": BAKE}
    folder.plan_changes = {
        "buildkit": {"builder": "baked", "owner": OWNER, "plain_http_registries": [REGISTRY]},
        "warm": {"context": "warm", "bake_files": ["docker-bake.hcl"], "attempts": 1},
    }
    return folder


def read_reports(said: str) -> list[Report]:
    return [read_report(text) for text in said.split("==\n")[1:]]


def list_lost(report: Report) -> list[str]:
    by_name = {build.name: build for build in report.builds}
    assert list(by_name) == ["ask", "read", "today"]
    assert {build.error for build in report.builds} == {""}
    for name in ("ask", "read"):
        assert by_name[name].steps
        assert all(step.cached for step in by_name[name].steps), name
    lost = find_lost(by_name["ask"].steps, by_name["today"].steps)
    return sorted(step.name.rpartition("] ")[2] for step in lost)


def test_what_a_url_gives_is_on_the_disk_and_compared_with_today(real: RealBuilder) -> None:
    real.context["docker-bake.hcl"] = 'target "default" {\n  pull = true\n}\n'
    change = "echo two >/run/web/one"
    ran = real.bake(before=SERVE, after=f"{CHECK}\n{change}\n{CHECK}")
    assert ran.exit_code == 0, ran.said
    same, changed = read_reports(real.left)
    assert (same.asks, same.runs) == ((URL,), ())
    assert list_lost(same) == []
    assert list_lost(changed) == [f"ADD {URL} /one", "RUN cat /one >/two", "RUN echo 2 >/second"]


def test_a_git_reference_is_on_the_disk_and_compared_with_today(real: RealBuilder) -> None:
    repository = "git://10.9.9.2/dep"
    real.context |= {
        "Dockerfile": f"FROM {BASE}\nADD {repository}#main:sub /dep\nCOPY --from=named / /named\n",
        "docker-bake.hcl": (
            f'target "default" {{\n  contexts = {{ named = "{repository}#main" }}\n}}\n'
        ),
    }
    change = """
cd /run/git/dep
echo more >>sub/lib.c
git -c user.name=a -c user.email=a@example.org commit -qam second
"""
    ran = real.bake(before=SERVE_GIT, after=f"{CHECK}\n{change}\n{CHECK}")
    assert ran.exit_code == 0, ran.said
    same, changed = read_reports(real.left)
    assert same.asks == (f"{repository}#main",)
    assert list_lost(same) == []
    assert len(list_lost(changed)) == 2


def test_what_bake_files_keep_from_the_cache_is_no_hit(real: RealBuilder) -> None:
    ran = real.bake(before=SERVE, after=CHECK)
    assert ran.exit_code == 0, ran.said
    assert "warning: target filtered has no-cache-filter for second" in ran.said
    (report,) = read_reports(real.left)
    assert report.runs == ("filtered no-cache-filter second",)
    assert list_lost(report) in (["RUN echo 2 >/second"], ["RUN echo 2 >/second"] * 2)


def test_groups_matrices_and_platforms_are_proven_target_by_target(real: RealBuilder) -> None:
    # The base image is one of amd64: what is said to be of arm64 can run here.
    dockerfile = f"FROM {BASE} AS first\nARG WHAT=0\nRUN echo $WHAT >/first\nFROM first\nRUN true\n"
    real.context |= {"Dockerfile": dockerfile, "docker-bake.hcl": SEVERAL}
    ran = real.bake(after=CHECK)
    assert ran.exit_code == 0, ran.said
    (report,) = read_reports(real.left)
    assert [(build.name, build.error) for build in report.builds] == [("ask", ""), ("read", "")]
    for build in report.builds:
        # Two steps of each of the matrix, one of the other, all for two platforms.
        assert len(build.steps) == 10
        assert all(step.cached for step in build.steps)


def test_a_build_that_no_cache_can_help_fails_before_it_is_made(real: RealBuilder) -> None:
    real.context["docker-bake.hcl"] = 'target "default" {\n  no-cache = true\n}\n'
    ran = real.bake(before=SERVE)
    assert ran.exit_code == 1
    assert "error: all targets have no-cache = true" in ran.said
    assert "begun" not in ran.said


@pytest.mark.parametrize(
    ("line", "selected", "becomes"),
    [
        (
            "git https://me@example.org/a.git#main 0abc",
            "^git://example[.]org/a[.]git#main(:.*)?$",
            1,
        ),
        ("git git@example.org:a.git 0abc", "^git://example[.]org/a[.]git(#(:.*)?)?$", 2),
    ],
)
def test_a_git_reference_is_pinned_under_buildkits_name(
    line: str, selected: str, becomes: int
) -> None:
    program = resources.files("amikiln.recipe") / "guest" / "warm-policy.awk"
    said = subprocess.run(
        ["awk", "-f", str(program)], input=line, capture_output=True, text=True, check=True
    ).stdout
    (rule,) = json.loads(said)["rules"]
    assert rule["selector"] == {"identifier": selected, "match_type": "REGEX"}
    assert rule["updates"] == {"identifier": f"git://example.org/a.git#0abc${{{becomes}}}"}
