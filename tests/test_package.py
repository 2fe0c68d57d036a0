"""amikiln as ``pip install amikiln`` gives it: without the extra ``local``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from amikiln.version import __version__
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


def call(*argv: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(argv, check=True, timeout=120, cwd=cwd)


PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
OFFLINE = ("--no-deps", "--no-index")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return amikiln's wheel, as it is built from its source distribution."""
    folder = tmp_path_factory.mktemp("wheel")
    build = (sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder)
    call(*build, cwd=REPOSITORY)
    (source,) = folder.glob("amikiln-*.tar.gz")
    call(*PIP, "wheel", *OFFLINE, "--no-build-isolation", "-w", folder, source)
    (built,) = folder.glob("amikiln-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of programs of an environment with amikiln's wheel and its requirements."""
    folder = tmp_path_factory.mktemp("package")
    environment = folder / "environment"
    call(sys.executable, "-m", "venv", "--without-pip", environment)
    call(*PIP, "--python", environment / "bin" / "python", "install", *OFFLINE, wheel)
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


def test_the_wheel_has_every_file_of_the_source(wheel: Path) -> None:
    source = REPOSITORY / "src"
    wanted = {
        str(file.relative_to(source))
        for file in source.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == wanted
    assert {"amikiln/py.typed", "amikiln/recipe/guest/scan.sh"} <= packed


def test_it_works_outside_of_a_checkout(shell: Shell, tmp_path: Path) -> None:
    done = shell.run("amikiln", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")
    done = shell.run("amikiln", "-h")
    assert (done.returncode, done.stderr) == (0, "")
    assert "rollout" in done.stdout
    (tmp_path / "image.toml").write_text('name = "x"\n[volume]\nsize_gb = 3\n')
    done = shell.run("amikiln", "plan", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "size_gb" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_version_has_one_source(wheel: Path) -> None:
    assert wheel.name.split("-")[1] == __version__
    heading = re.search(r"^## (\S+)", (REPOSITORY / "NEWS.md").read_text(), re.M)
    assert heading is not None
    assert heading[1] == __version__


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


def test_the_local_cloud_says_how_to_get_it(shell: Shell, wheel: Path) -> None:
    line = f"{shell.programs / 'python'} -m pip install 'amikiln[local] @ file://{wheel}'"
    for words in (("cloud", "up"), ("plan", REPOSITORY / "images" / "cpu-build", "--local")):
        done = shell.run("amikiln", *words)
        assert (done.returncode, done.stdout) == (3, "")
        assert "not installed" in done.stderr
        # As it was installed: with pip, from this very wheel.
        assert done.stderr.splitlines()[-1] == f"hint: {line}"
    done = shell.run("amikiln", "cloud", "--help")
    assert done.returncode == 0
    assert line in done.stdout


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
