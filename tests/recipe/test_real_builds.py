"""The warm build by the real BuildKit and buildx, in each version: what is local after it?"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amikiln.runtime.directories import cache_directory
from amikiln.runtime.progress import PlainReporter
from amikiln.verify.build_log import read_steps
from amikiln.verify.checks.warm_report import Build, read_report
from amikiln_localcloud.registry import buildx
from recipe.real_builder import BASE, GIVE_SECRET, REGISTRY, RealBuilder
from recipe.root_folder import OWNER

ALWAYS = ("0.12.1", "0.20.1", "0.30.1")
"""The others are tried where they are compiled already, or if AMIKILN_ALL_BUILDX is set."""

# Two stages of whose layers the result has none: 6 and 5 MB.
DOCKERFILE = f"""
FROM {BASE} AS tools
RUN head -c 6000000 /dev/urandom >/tool
FROM {BASE} AS compile
RUN head -c 5000000 /dev/urandom >/compiler
COPY src /src
RUN --mount=type=secret,id=token cat /run/secrets/token /src >/made
FROM {BASE}
RUN head -c 4000000 /dev/urandom >/ours
COPY --from=compile /made /made
RUN --mount=from=tools,target=/tools head -c 1000 /tools/tool >/kept
"""
BAKE = f"""
target "default" {{
  network    = "host"
  secret     = ["id=other,src=other"]
  cache-to   = ["type=registry,ref={REGISTRY}/cache:1,mode=max"]
  cache-from = ["type=registry,ref={REGISTRY}/cache:1"]
  output     = ["type=registry,ref={REGISTRY}/pushed:1"]
}}
"""
# Like a job of CI. The program says itself what it has to be granted.
SEED = """
if docker buildx bake --help | grep -q -e " --allow "; then
    set -- --allow=network.host --allow=fs.read=/run/amikiln-secrets
fi
docker buildx bake "--set=*.secrets=id=token,src=/run/amikiln-secrets/token" "$@" \
    "--set=*.output=type=cacheonly" """
NO_EXPORT = "--set=*.cache-to=type=gha"
CHECK = "cd /recipe; echo ==; sh -eu check-warm.sh"
DIGESTS = (
    "curl -fsI -H 'Accept: application/vnd.oci.image.manifest.v1+json'"
    f" http://{REGISTRY}/v2/cache/manifests/1 | grep -i docker-content-digest;"
    f" curl -s http://{REGISTRY}/v2/_catalog"
)


@pytest.fixture(params=sorted(buildx.SUMS))
def real(request: pytest.FixtureRequest, tmp_path: Path) -> RealBuilder:
    version = str(request.param)
    if os.geteuid() != 0:
        pytest.skip("not run: a throwaway root folder is mounted by root")
    program = buildx.find_program(version, cache_directory())
    if program is None:
        if version not in ALWAYS and not os.environ.get("AMIKILN_ALL_BUILDX"):
            pytest.skip(f"not run: buildx {version} is not compiled (scripts/test --all-buildx)")
        program = buildx.compile_program(version, cache_directory(), PlainReporter())
    folder = RealBuilder(tmp_path, buildx=program, seed=SEED)
    for name in ("systemctl", "sync"):
        folder.fake_program(name)
    folder.fake_machine("amazon")
    folder.context = {
        "Dockerfile": DOCKERFILE,
        "docker-bake.hcl": BAKE,
        "src": "a",
        "other": "b",
    }
    folder.plan_changes = {
        "buildkit": {"builder": "baked", "owner": OWNER, "plain_http_registries": [REGISTRY]},
        "warm": {
            "context": "warm",
            "bake_files": ["docker-bake.hcl"],
            "secrets": ["token"],
            "attempts": 1,
        },
    }
    return folder


def read_builds(said: str) -> dict[str, Build]:
    return {build.name: build for build in read_report(said.partition("==\n")[2]).builds}


def test_what_a_cache_had_is_local_and_proven_without_the_network(real: RealBuilder) -> None:
    look = (
        f"{DIGESTS}; cat $WARM_LOG >/results/cold; {GIVE_SECRET}; {CHECK}\nip rule >/results/rules"
    )
    ran = real.bake(after=look, before=f"{{ {DIGESTS}; }} >/results/before")
    assert ran.exit_code == 0, ran.said
    results = real.place / "results"
    # Nothing was pushed, and no cache was written.
    assert real.left.partition("==\n")[0] == (results / "before").read_text()
    assert '"pushed"' not in real.left
    cold = read_steps((results / "cold").read_text())
    assert len([step for step in cold if step.cached]) >= 7
    builds = read_builds(real.left)
    assert [(name, build.error) for name, build in builds.items()] == [
        ("ask", ""),
        ("read", ""),
        ("parts", ""),
    ]
    assert [step.cached for step in builds["ask"].steps] == [True] * 7
    assert all(step.cached for build in builds.values() for step in build.steps)
    # The result has the base's files and 4 MB; its stages have 11 MB more, and the base each.
    assert builds["read"].megabytes > 4
    assert builds["parts"].megabytes > builds["read"].megabytes + 11
    assert "prohibit" not in (results / "rules").read_text()


def test_a_registry_that_is_gone_after_the_bake_is_not_missed(real: RealBuilder) -> None:
    change = "echo changed >/var/tmp/amikiln-context/src"
    ran = real.bake(after=f"registry_down; {GIVE_SECRET}; {change}; {CHECK}")
    assert ran.exit_code == 0, ran.said
    builds = read_builds(real.left)
    assert {build.error for build in builds.values()} == {""}
    missed = [step.name for step in builds["ask"].steps if not step.cached]
    # Of the stage that reads the changed file, what comes before it is in the store.
    assert len(missed) == 4, missed
    assert not [name for name in missed if "/compiler" in name or "/tool\n" in name]


def test_layers_that_are_in_the_registry_alone_are_missed(real: RealBuilder) -> None:
    """The negative control: a bake whose result nobody takes."""
    lazily = f"""
buildkitd_down
buildkitd_up lazy
{GIVE_SECRET}; chown -R $BUILDER_OWNER /run/amikiln-secrets
cd /var/tmp/amikiln-context
as_owner env -C "$PWD" BUILDX_BUILDER=baked sh -euc '{SEED} {NO_EXPORT}' >/results/lazily 2>&1
buildkitd_down
buildkitd_up lazy
"""
    ran = real.bake(after=f"{lazily}\n{CHECK}")
    assert ran.exit_code == 0, ran.said
    builds = read_builds(real.left)
    last = list(builds.values())[-1]
    assert last.error
    assert last.broken
