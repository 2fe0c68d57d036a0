"""The Buildkite pipeline: its steps as the real agent reads and runs them, one after another.

Only what needs Buildkite's server (annotations, artifacts, meta-data) is a fake.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import fake_agent
from vm.local_cloud import LocalCloud
from vm.programs import compile_program

pytestmark = [pytest.mark.vm, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parent.parent.parent
PIPELINE = ".buildkite/pipelines/rebuild-cpu-ami.yml"
POINTER = "/buildkite/pipeline-ami/us-east-1"
STEPS = ("plan", "build", "verify", "publish")
AGENT_LOST = {-1, 255}


@dataclass
class Buildkite:
    """A repository, agents that have nothing but it, and a fake server."""

    place: Path
    agent: Path
    cloud: LocalCloud

    @property
    def repository(self) -> Path:
        return self.place / "repository"

    def calls(self) -> list[dict[str, Any]]:
        """What the steps asked of the server so far; the agent itself notes the commit there."""
        lines = (self.place / "server" / "calls.jsonl").read_text().splitlines()
        calls = [json.loads(line) for line in lines]
        return [call for call in calls if "buildkite:git:commit" not in call["words"]]

    def meta_data(self) -> Path:
        return self.place / "server" / "meta-data" / "cpu-build-ami"

    def artifact(self, name: str) -> bytes:
        return (self.place / "server" / "artifacts" / name).read_bytes()

    def environment(self) -> dict[str, str]:
        return {
            **self.cloud.environment,
            **self.cloud.variables,
            "AMIKILN_LOCAL": "1",
            # The server's part of a job's environment.
            "BUILDKITE": "true",
            "CI": "true",
            "BUILDKITE_AGENT_ACCESS_TOKEN": "of-no-use",
            "FAKE_BUILDKITE": str(self.place / "server"),
        }

    def steps(self) -> dict[str, dict[str, Any]]:
        """Return the pipeline's steps, as the agent would send them to the server."""
        done = subprocess.run(
            [self.agent, "pipeline", "upload", "--dry-run", PIPELINE],
            cwd=self.repository,
            env=self.environment(),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return {step["key"]: step for step in json.loads(done.stdout)["steps"]}

    def checkout(self, agent: str) -> Path:
        """Return where an agent checks the repository out."""
        return self.place / agent / agent / "o" / "p"

    def set_up_like(self, agent: str, on: str) -> None:
        """Give an agent a checkout that is set up as another's is: that takes a minute each."""
        checkout = self.checkout(on)
        subprocess.run(["git", "clone", "--quiet", self.repository, checkout], check=True)
        shutil.copytree(self.checkout(agent) / ".venv", checkout / ".venv", symlinks=True)

    def run(self, step: dict[str, Any], on: str) -> subprocess.CompletedProcess[str]:
        """Run a step's command as an agent does, from its own checkout on."""
        words = {
            "job": step["key"],
            "repository": str(self.repository),
            "branch": "main",
            "commit": "HEAD",
            "build-path": str(self.place / on),
            "bin-path": str(self.place / "bin"),
            "organization": "o",
            "pipeline": "p",
            "pipeline-provider": "git",
            "agent": on,
            "queue": "packer",
            "phases": "checkout,command",
            # Ignored files stay: an agent that has run a step has its .venv.
            "git-clean-flags": "-ffdq",
            "command": step["command"],
        }
        options = [part for name, value in words.items() for part in (f"--{name}", value)]
        return subprocess.run(
            [self.agent, "bootstrap", *options],
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def buildkite(local_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Buildkite:
    """What is checked out here, as a repository whose image has a name and a pointer of its own."""
    found = Buildkite(
        tmp_path_factory.mktemp("buildkite"), compile_program("buildkite-agent"), local_cloud
    )
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            copy = found.repository / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
            copy.chmod((ROOT / name).stat().st_mode)
    spec = found.repository / "images/cpu-build/image.toml"
    text = spec.read_text()
    for old, new in (
        ('name = "cpu-build"', 'name = "pipeline-build"'),
        ("/buildkite/cpu-build-ami/{region}", "/buildkite/pipeline-ami/{region}"),
        ('auto_scaling_groups = ["cpu-build"]', "auto_scaling_groups = []"),
    ):
        assert old in text
        text = text.replace(old, new)
    spec.write_text(text)
    who = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    for words in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        [*who, "commit", "--quiet", "--message=all"],
    ):
        subprocess.run(["git", *words], cwd=found.repository, check=True)
    fake_agent.install(found.place / "bin")
    return found


@pytest.fixture(scope="module")
def published(buildkite: Buildkite) -> str:
    """The id of the image that the steps planned, built, proved and published."""
    steps = buildkite.steps()
    agents = ("first-agent", "second-agent", "first-agent", "second-agent")
    for key, agent in zip(STEPS, agents, strict=True):
        if key == "build":
            buildkite.set_up_like("first-agent", on=agent)
        done = buildkite.run(steps[key], on=agent)
        assert done.returncode == 0, done.stdout
        # Titles that Buildkite folds, although the agent gives its jobs a terminal.
        stage = {"plan": "Set-up", "build": "bake"}.get(key, key)
        assert f"--- {stage}" in done.stdout.replace("\r", "").splitlines()
    return buildkite.meta_data().read_text()


def pointer(cloud: LocalCloud) -> tuple[str, int]:
    found = cloud.ssm.get_parameter(Name=POINTER)["Parameter"]
    return found["Value"], found["Version"]


def test_the_steps_follow_each_other_and_only_a_lost_agent_is_retried(
    buildkite: Buildkite,
) -> None:
    steps = buildkite.steps()
    assert tuple(steps) == STEPS
    assert [step.get("depends_on") for step in steps.values()] == [None, "plan", "build", "verify"]
    assert {(s["concurrency"], s["concurrency_group"]) for s in steps.values()} == {
        (1, "cpu-build-ami")
    }
    for step in steps.values():
        retried = {rule["exit_status"] for rule in step["retry"]["automatic"]}
        assert retried == AGENT_LOST
        assert step["timeout_in_minutes"] > 0
    # What stands as $$ in the file is left for the shell of the agent that runs the step.
    assert steps["build"]["command"].endswith('"${BUILDER:-bake}"')


def test_the_steps_lead_to_the_pointer(
    buildkite: Buildkite, published: str, local_cloud: LocalCloud
) -> None:
    assert re.fullmatch("ami-[0-9a-f]{17}", published)
    assert pointer(local_cloud) == (published, 1)


def test_the_server_was_asked_for_what_the_steps_need_and_no_more(
    buildkite: Buildkite, published: str
) -> None:
    calls = buildkite.calls()
    annotations = [call for call in calls if call["words"][0] == "annotate"]
    assert [call["words"] for call in calls if call not in annotations] == [
        ["artifact", "upload", "plan.json"],
        ["artifact", "download", "plan.json", "."],
        ["artifact", "upload", "result.json"],
        ["meta-data", "set", "cpu-build-ami", published],
        ["meta-data", "get", "cpu-build-ami"],
        ["artifact", "download", "plan.json", "."],
        ["artifact", "upload", "verdict.json"],
        ["meta-data", "get", "cpu-build-ami"],
        ["artifact", "download", "plan.json", "."],
        ["artifact", "download", "verdict.json", "."],
        ["artifact", "upload", "published.json"],
    ]
    assert [call["words"][2] for call in annotations] == ["info", "info", "success", "success"]
    for call in annotations[1:]:
        assert published in call["body"]
    assert "would bake" in annotations[0]["body"]
    assert "builds-are-warm" in annotations[2]["body"]
    assert POINTER in annotations[3]["body"]
    plan, verdict = (buildkite.artifact(name) for name in ("plan.json", "verdict.json"))
    assert json.loads(verdict)["plan_sha256"] == hashlib.sha256(plan).hexdigest()


def copy_with_digest(cloud: LocalCloud, image_id: str, digest: str) -> str:
    """Return a copy of an image that says it is the pipeline's, of these inputs."""
    copy = cloud.ec2.copy_image(
        Name=f"a copy for {digest}", SourceImageId=image_id, SourceRegion="us-east-1"
    )["ImageId"]
    cloud.waiter.until(
        lambda: (
            cloud.ec2.describe_images(ImageIds=[copy])["Images"][0]["State"] == "available" or None
        ),
        what="the copy",
        deadline_seconds=120,
    )
    tags = {"amikiln:image": "pipeline-build", "amikiln:digest": digest}
    cloud.ec2.create_tags(
        Resources=[copy], Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
    )
    return str(copy)


def test_a_verify_that_fails_leaves_the_pointer_where_it_was(
    buildkite: Buildkite, published: str, local_cloud: LocalCloud
) -> None:
    before = pointer(local_cloud)
    plan = json.loads(buildkite.artifact("plan.json"))
    # What the bake began with, under the name of what came out of it.
    copy = copy_with_digest(local_cloud, plan["source"]["id"], plan["digest"])
    buildkite.meta_data().write_text(copy)
    steps = buildkite.steps()

    failed = buildkite.run(steps["verify"], on="second-agent")
    assert failed.returncode == 5, failed.stdout
    assert pointer(local_cloud) == before
    last = buildkite.calls()[-1]
    assert last["words"][:3] == ["annotate", "--style", "error"]
    assert "manifest-as-planned" in last["body"]

    # Buildkite would not run it, and somebody who does gets nowhere.
    refused = buildkite.run(steps["publish"], on="first-agent")
    assert refused.returncode == 6, refused.stdout
    assert "not proven" in refused.stdout
    assert pointer(local_cloud) == before


def test_an_image_of_other_inputs_than_the_plan_s_is_refused(
    buildkite: Buildkite, published: str, local_cloud: LocalCloud
) -> None:
    before = pointer(local_cloud)
    copy = copy_with_digest(local_cloud, published, "0" * 64)
    buildkite.meta_data().write_text(copy)
    for key in ("verify", "publish"):
        refused = buildkite.run(buildkite.steps()[key], on="first-agent")
        assert refused.returncode == 3, refused.stdout
        assert f"{copy} was not baked from the plan plan.json" in refused.stdout
    assert pointer(local_cloud) == before


def test_a_builder_that_is_not_known_is_refused(
    buildkite: Buildkite, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(buildkite.cloud.environment, "BUILDER", "docker")
    refused = buildkite.run(buildkite.steps()["build"], on="first-agent")
    assert refused.returncode == 2
    assert "BUILDER is docker; it may be bake or packer" in refused.stdout
