"""How registries are asked: with the spec's logins and mirrors, and with nobody else's."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from amikiln.errors import PreflightError
from amikiln.machine.logins import Credentials
from amikiln.plan.registry_access import open_registry_access
from fakes import spec


@pytest.fixture(autouse=True)
def users_own_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who is logged in, which must play no part."""
    docker = tmp_path / "docker"
    (docker / "cli-plugins").mkdir(parents=True)
    (docker / "config.json").write_text('{"auths": {"host.example": {"auth": "bWU6bXk="}}}')
    monkeypatch.setenv("DOCKER_CONFIG", str(docker))
    monkeypatch.delenv("CONTAINERS_REGISTRIES_CONF", raising=False)
    return docker


def test_a_registry_without_a_login_is_asked_anonymously(users_own_docker: Path) -> None:
    with open_registry_access(spec(), {}) as access:
        config = access.docker_config / "config.json"
        assert json.loads(config.read_text()) == {"auths": {}}
        assert access.docker_config.stat().st_mode & 0o077 == 0
        assert str(config) in access.build_skopeo_command("inspect", "docker://host.example/a:1")
        # buildx may be installed for this user alone.
        plugins = access.docker_config / "cli-plugins"
        assert plugins.resolve() == users_own_docker / "cli-plugins"
    assert not config.exists()


def test_no_password_is_in_a_command() -> None:
    logins = {"host.example": Credentials("ci", "hunter2")}
    with open_registry_access(spec(), logins) as access:
        assert "hunter2" not in str(access)
        for build in (access.build_skopeo_command, access.build_buildx_command):
            assert "hunter2" not in " ".join(build("inspect", "x"))


def test_mirrors_and_plain_http_are_the_machines() -> None:
    wanted = spec(
        mirrors={"docker.io": ["mirror.example:5000"]},
        buildkit={"builder": "b", "plain_http_registries": ["mirror.example:5000", "x.example"]},
    )
    with open_registry_access(wanted, {}) as access:
        found = tomllib.loads(access.registries_conf.read_text())["registry"]
    by_prefix = {entry.pop("prefix"): entry for entry in found}
    assert by_prefix["docker.io"] == {
        "location": "docker.io",
        "mirror": [{"location": "mirror.example:5000", "insecure": True}],
    }
    assert by_prefix["x.example"] == {"location": "x.example", "insecure": True}


def test_what_the_users_file_says_of_a_host_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = '[[registry]]\nprefix = "x.example"\nlocation = "127.0.0.1:5000"\ninsecure = true\n'
    (tmp_path / "own.conf").write_text(own)
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "own.conf"))
    wanted = spec(buildkit={"builder": "b", "plain_http_registries": ["x.example"]})
    with open_registry_access(wanted, {}) as access:
        (found,) = tomllib.loads(access.registries_conf.read_text())["registry"]
    assert found["location"] == "127.0.0.1:5000"


def test_a_login_and_a_mirror_are_those_of_where_a_registry_really_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.conf").write_text(
        '[[registry]]\nprefix = "x.example"\nlocation = "127.0.0.1:5000"\ninsecure = true\n'
    )
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "own.conf"))
    wanted = spec(
        mirrors={"docker.io": ["x.example"]},
        buildkit={"builder": "b", "plain_http_registries": ["x.example"]},
    )
    with open_registry_access(wanted, {"x.example": Credentials("ci", "p")}) as access:
        auths = json.loads((access.docker_config / "config.json").read_text())["auths"]
        conf = tomllib.loads(access.registries_conf.read_text())["registry"]
    assert set(auths) == {"x.example", "127.0.0.1:5000"}
    (hub,) = [entry for entry in conf if entry["prefix"] == "docker.io"]
    assert hub["mirror"] == [{"location": "127.0.0.1:5000", "insecure": True}]


def test_a_file_of_the_users_that_is_no_toml_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.conf").write_text("[[registry")
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "own.conf"))
    with (
        pytest.raises(PreflightError, match="CONTAINERS_REGISTRIES_CONF cannot be read"),
        open_registry_access(spec(), {}),
    ):
        pass
