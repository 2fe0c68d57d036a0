"""amikiln as ``pip install amikiln`` gives it: without the extra ``local``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fakes import spec_values
from localcloud.fixture import CloudFixture

REPOSITORY = Path(__file__).parents[1]


def find_requirements(name: str) -> set[str]:
    """Return the names of the distributions that one needs, extras left out, with itself."""
    found: set[str] = set()
    waiting = [Requirement(name)]
    while waiting:
        wanted = waiting.pop()
        if canonicalize_name(wanted.name) in found:
            continue
        found.add(canonicalize_name(wanted.name))
        for text in metadata.requires(wanted.name) or ():
            nested = Requirement(text)
            if nested.marker is None or any(
                nested.marker.evaluate({"extra": extra}) for extra in {"", *wanted.extras}
            ):
                waiting.append(nested)
    return found


def link_distribution(name: str, site_packages: Path) -> None:
    """Let an environment see a distribution that is installed for the tests."""
    distribution = metadata.distribution(name)
    tops = {file.parts[0] for file in distribution.files or () if file.parts[0] != ".."}
    for top in tops - {"__pycache__"}:
        link = site_packages / top
        if not link.exists():
            link.symlink_to(Path(str(distribution.locate_file(top))))


def call(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, timeout=120)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of programs of an environment with amikiln's wheel and its requirements."""
    folder = tmp_path_factory.mktemp("package")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    offline = ("--no-deps", "--no-index")
    call(*pip, "wheel", *offline, "--no-build-isolation", "-w", folder, REPOSITORY)
    (wheel,) = folder.glob("amikiln-*.whl")
    environment = folder / "environment"
    call(sys.executable, "-m", "venv", "--without-pip", environment)
    call(*pip, "--python", environment / "bin" / "python", "install", *offline, wheel)
    (site_packages,) = (environment / "lib").glob("python*/site-packages")
    for name in find_requirements("amikiln") - {"amikiln"}:
        link_distribution(name, site_packages)
    return environment / "bin"


class Shell:
    """Runs programs of an environment, with the user's files in a folder."""

    def __init__(self, programs: Path, home: Path) -> None:
        self.programs = programs
        self.environment = {
            "PATH": f"{home}:{programs}:{os.environ['PATH']}",
            "HOME": str(home),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def run(self, program: str, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.programs / program, *map(str, words)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@pytest.fixture
def shell(installed: Path, tmp_path: Path) -> Shell:
    return Shell(installed, tmp_path)


def test_it_has_nothing_of_the_local_clouds_requirements(shell: Shell) -> None:
    for module in ("moto", "flask"):
        assert f"No module named '{module}'" in shell.run("python", "-c", f"import {module}").stderr
    assert shell.run("python", "-c", "import boto3, pydantic, jinja2, yaml").returncode == 0


def test_schemas_are_exported(shell: Shell) -> None:
    done = shell.run("amikiln", "export", "schema")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(
        (REPOSITORY / "images" / "image.schema.json").read_text()
    )


def test_a_plan_is_made_of_what_the_cloud_and_the_registries_answer(
    shell: Shell, cloud: CloudFixture, tmp_path: Path
) -> None:
    (tmp_path / "warm").mkdir()
    (tmp_path / "warm" / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "image.toml").write_text(write_toml(spec_values()))
    # Registries are asked by a program that need not be installed here.
    (tmp_path / "skopeo").write_text("#!/bin/sh\necho '{}'\n")
    (tmp_path / "skopeo").chmod(0o755)
    shell.environment |= {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "y",
    }
    done = shell.run("amikiln", "plan", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    planned = json.loads(done.stdout)
    assert planned["source"]["id"] == cloud.base
    assert planned["instance_types"] == ["t3.micro"]


def test_the_local_cloud_says_how_to_get_it(shell: Shell, tmp_path: Path) -> None:
    for words in (("cloud", "up"), ("plan", REPOSITORY / "images" / "cpu-build", "--local")):
        done = shell.run("amikiln", *words)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.splitlines()[-1] == "hint: pip install 'amikiln[local]'"
    done = shell.run("amikiln", "cloud", "--help")
    assert done.returncode == 0
    assert "pip install 'amikiln[local]'" in done.stdout


def test_type_checkers_find_its_types(shell: Shell) -> None:
    found = shell.run("python", "-c", "import amikiln; print(amikiln.__path__[0])").stdout.strip()
    assert {"py.typed", "__init__.pyi"} <= {file.name for file in Path(found).iterdir()}


def write_toml(values: dict[str, object]) -> str:
    """Write a small spec: values first, then its tables."""
    lines = [f"{k} = {json.dumps(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for name, table in values.items():
        if isinstance(table, dict):
            lines.append(f"[{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"
