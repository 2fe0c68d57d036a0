"""How this machine asks registries: with the spec's logins, mirrors and insecure hosts, as the
machine of the bake will, and with no login of its user's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from amikiln.machine.logins import Credentials, render_docker_config
from amikiln.spec.spec import Spec


@dataclass(frozen=True)
class RegistryAccess:
    """What the programs that ask registries are given.

    Attributes:
        docker_config: A directory with a ``config.json`` of Docker.
        registries_conf: See containers-registries.conf(5).
    """

    docker_config: Path
    registries_conf: Path

    def build_skopeo_command(self, *words: str) -> list[str]:
        """Return a command of skopeo."""
        # Older skopeo (1.9 on Debian 12) reads no environment variable for registries.conf.
        return [
            "skopeo",
            "--registries-conf",
            str(self.registries_conf),
            words[0],
            "--authfile",
            str(self.docker_config / "config.json"),
            *words[1:],
        ]

    def build_buildx_command(self, *words: str) -> list[str]:
        """Return a command of buildx, which finds its plugin where Docker's user has it."""
        return ["docker", "--config", str(self.docker_config), "buildx", *words]


@contextmanager
def open_registry_access(spec: Spec, logins: Mapping[str, Credentials]) -> Iterator[RegistryAccess]:
    """Write the files for asking registries, and remove them at the end.

    Args:
        spec: Its mirrors and insecure registries are asked as the machine will.
        logins: By the registry's host; a registry without one is asked anonymously.
    """
    with tempfile.TemporaryDirectory(prefix="amikiln-registries-") as name:
        directory = Path(name)  # of mode 0700
        (directory / "config.json").write_bytes(render_docker_config(logins))
        _link_plugins(directory)
        conf = directory / "registries.conf"
        conf.write_text(_render_registries_conf(spec))
        yield RegistryAccess(directory, conf)


def _link_plugins(directory: Path) -> None:
    users_own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
    if users_own.is_dir():
        (directory / "cli-plugins").symlink_to(users_own)


def _render_registries_conf(spec: Spec) -> str:
    """Return the user's file, with what the spec says of hosts that it does not name."""
    chosen = os.environ.get("CONTAINERS_REGISTRIES_CONF")
    text = Path(chosen).read_text() if chosen and Path(chosen).is_file() else ""
    insecure = spec.buildkit.plain_http_registries
    for host in dict.fromkeys([*spec.mirrors, *insecure]):
        if f'"{host}"' in text:
            continue
        text += f'\n[[registry]]\nprefix = "{host}"\nlocation = "{host}"\n'
        text += "insecure = true\n" if host in insecure else ""
        for mirror in spec.mirrors.get(host, ()):
            text += f'[[registry.mirror]]\nlocation = "{mirror}"\n'
            text += "insecure = true\n" if mirror in insecure else ""
    return text
