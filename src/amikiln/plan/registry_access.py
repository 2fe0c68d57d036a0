"""How this machine asks registries: with the spec's logins, mirrors and insecure hosts, as the
machine of the bake will, and with no login of its user's."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from amikiln.errors import PreflightError
from amikiln.machine.logins import Credentials, find_docker_directory, render_docker_config
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
        own_conf = _read_own_conf()
        locations = _read_locations(own_conf)
        # skopeo looks a login up by where a registry really is.
        moved = {locations[host]: logins[host] for host in logins if host in locations}
        (directory / "config.json").write_bytes(render_docker_config({**moved, **logins}))
        _link_plugins(directory)
        conf = directory / "registries.conf"
        conf.write_text(own_conf + _render_registries_conf(spec, locations))
        yield RegistryAccess(directory, conf)


def _link_plugins(directory: Path) -> None:
    users_own = find_docker_directory() / "cli-plugins"
    if users_own.is_dir():
        (directory / "cli-plugins").symlink_to(users_own)


def _read_own_conf() -> str:
    """Return the file that all container tools of this user read; empty if there is none."""
    chosen = os.environ.get("CONTAINERS_REGISTRIES_CONF")
    return Path(chosen).read_text() if chosen and Path(chosen).is_file() else ""


def _read_locations(conf: str) -> Mapping[str, str]:
    """Return where the registries of a registries.conf really are, by the names in references.

    Raises:
        PreflightError: It cannot be read.
    """
    try:
        entries = tomllib.loads(conf).get("registry", [])
        return {
            str(entry.get("prefix") or entry["location"]): str(entry["location"])
            for entry in entries
            if "location" in entry
        }
    except (tomllib.TOMLDecodeError, AttributeError, TypeError) as error:
        raise PreflightError(
            f"CONTAINERS_REGISTRIES_CONF cannot be read: {error}",
            hint="see containers-registries.conf(5)",
        ) from error


def _render_registries_conf(spec: Spec, locations: Mapping[str, str]) -> str:
    """Return what the spec says of the hosts that the user's own file does not name."""
    insecure = spec.buildkit.plain_http_registries
    lines: list[str] = []
    for host in dict.fromkeys([*spec.mirrors, *insecure]):
        if host in locations:
            continue
        lines += ["[[registry]]", f'prefix = "{host}"', f'location = "{host}"']
        lines += ["insecure = true"] if host in insecure else []
        for mirror in spec.mirrors.get(host, ()):
            # A mirror's own entry is not looked up again.
            lines += ["[[registry.mirror]]", f'location = "{locations.get(mirror, mirror)}"']
            lines += ["insecure = true"] if mirror in insecure else []
    return "".join(f"\n{line}" for line in lines) + "\n"
