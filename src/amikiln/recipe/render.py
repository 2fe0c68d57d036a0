"""The recipe of one image: the shell steps that all share, and the values they work with.

The same files run over ssh and from Packer's template; they need nothing but a shell, systemd,
and dnf or apt.
"""

from __future__ import annotations

import hashlib
import io
import json
import shlex
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from amikiln.model.canonical import canonical_json
from amikiln.model.plan import Plan
from amikiln.recipe import paths, scanner, warm_build
from amikiln.spec.registries import DOCKER_HUB
from amikiln.spec.spec import Spec


@dataclass(frozen=True)
class Recipe:
    """The folder that a machine gets: path to content. Steps run in the order of their names."""

    files: Mapping[str, bytes]

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(sorted(path for path in self.files if path.startswith("steps/")))

    def pack(self) -> bytes:
        """Return the folder as a tar file."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path, content in sorted(self.files.items()):
                entry = tarfile.TarInfo(path)
                entry.size = len(content)
                entry.mode = 0o755 if path == scanner.PROGRAM else 0o644
                tar.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()


def read_shipped_files() -> dict[str, bytes]:
    """Return the recipe's files that all images share, those of every builder among them."""
    folder = resources.files(__package__)
    files = {}
    for root, prefix in (("guest", ""), ("guest", "steps/"), (".", "builders/")):
        for entry in (folder / root / prefix).iterdir():
            if entry.is_file():
                files[prefix + entry.name] = entry.read_bytes()
    return files


def hash_files(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 over the paths and contents of files."""
    hashes = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    return hashlib.sha256(canonical_json(hashes).encode()).hexdigest()


def render_spec_files(spec: Spec, own_steps: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that depend on the spec alone, not on a plan: steps, and their values."""
    return {**select_shared_files(spec), **render_own_files(spec, own_steps)}


def select_shared_files(spec: Spec) -> dict[str, bytes]:
    """Return those of the shared files that an image needs, by their paths in the recipe."""
    files = read_shipped_files()
    builders = {path: files.pop(path) for path in list(files) if path.startswith("builders/")}
    files["builder.sh"] = builders[f"builders/{spec.buildkit.driver}.sh"]
    return files


def render_own_files(spec: Spec, own_steps: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files that only this image has: its own steps, and the values of its spec."""
    files = {
        **own_steps,
        "values.env": _render_variables(_list_values(spec)),
        "buildkitd.toml": render_buildkitd_toml(spec).encode(),
        "secrets.allow": scanner.render_allow_list(spec.secrets).encode(),
    }
    if spec.warm is not None:
        files |= warm_build.render_files(spec.warm, spec.buildkit.entitlements)
    return files


def render_plan_files(plan: Plan) -> dict[str, bytes]:
    """Return the files with what the plan resolved: they may differ from day to day."""
    return {
        **plan.bake_files,
        "resolved.env": _render_variables(
            {
                "BUILDKIT_IMAGE": plan.buildkit.by_digest,
                warm_build.CONTEXT_COMMIT: plan.context.commit if plan.context else "",
            }
        ),
        "images.list": "".join(
            f"{image.by_digest} {image.reference}\n" for image in plan.images
        ).encode(),
        "plan.json": canonical_json(describe_plan(plan)).encode(),
    }


def render_recipe(plan: Plan) -> Recipe:
    """Return the recipe for one plan."""
    return Recipe({**render_spec_files(plan.spec, plan.own_steps), **render_plan_files(plan)})


def add_scanner(recipe: Recipe, plan: Plan) -> Recipe:
    """Return the recipe with the scanner for secrets, which a bake needs and verify does not.

    Raises:
        PreflightError: There is no scanner for the image's architecture.
    """
    own_rules = recipe.files[scanner.RULES]
    return Recipe({**recipe.files, **scanner.read_files(own_rules, plan.spec.source.architecture)})


def describe_plan(plan: Plan) -> dict[str, object]:
    """Return the planned part of the manifest that the image gets."""
    return {
        "image": plan.spec.name,
        "digest": plan.digest,
        "source": plan.source.id,
        "buildkit": plan.buildkit.by_digest,
        "images": {image.reference: image.digest for image in plan.images},
        "context": plan.context.identity if plan.context is not None else None,
    }


def list_docker_mirrors(spec: Spec) -> list[str]:
    """Return the URLs that Docker asks first for images of Docker Hub; it knows no other mirrors.

    https://docs.docker.com/docker-hub/image-library/mirror/
    """
    insecure = spec.buildkit.plain_http_registries
    return [
        f"{'http' if host in insecure else 'https'}://{host}"
        for host in spec.mirrors.get(DOCKER_HUB, ())
    ]


def render_buildkitd_toml(spec: Spec) -> str:
    """Return the builder's configuration.

    With gc on, BuildKit removes cache mounts that were not used for 48 h, and with them what the
    image was baked for (https://docs.docker.com/build/cache/garbage-collection/).
    """
    buildkit = spec.buildkit
    lines = [
        f"insecure-entitlements = {json.dumps(buildkit.entitlements)}",
        "",
        "[worker.oci]",
        f"  max-parallelism = {buildkit.max_parallelism}",
        f"  gc = {str(buildkit.gc).lower()}",
    ]
    if buildkit.driver == "systemd":
        # Build steps run in the service's control group, by a runc that resets their OOM score.
        # BuildKit must not find Docker's containerd: that would be a second worker, with gc on.
        lines += [
            f'  binary = "{paths.BUILDKIT_PROGRAMS}/runc"',
            '  defaultCgroupParent = "system.slice/buildkit.service"',
        ]
        lines += ["", "[worker.containerd]", "  enabled = false"]
    for host in dict.fromkeys([*spec.mirrors, *buildkit.plain_http_registries]):
        lines += ["", f"[registry.{json.dumps(host)}]"]
        if host in buildkit.plain_http_registries:
            lines.append("  http = true")
        if host in spec.mirrors:
            lines.append(f"  mirrors = {json.dumps(list(spec.mirrors[host]))}")
    return "\n".join(lines) + "\n"


def _list_values(spec: Spec) -> dict[str, str]:
    return {
        "BUILDER": spec.buildkit.builder,
        "BUILDER_OWNER": spec.buildkit.owner,
        "ENTITLEMENTS": " ".join(spec.buildkit.entitlements),
        "BUILDX_BUILDER_VARIABLE": str(spec.buildkit.buildx_builder_variable).lower(),
        "DOCKER_MINIMUM": spec.docker.minimum_version,
        "BUILDX_MINIMUM": spec.docker.minimum_buildx_version,
        "BUILDX_URL": spec.docker.buildx_url or "",
        "BUILDX_SHA256": spec.docker.buildx_sha256 or "",
        "CONTEXT": paths.CONTEXT_DIRECTORY,
        "SECRETS": paths.SECRETS_DIRECTORY,
        "RECORDS": paths.RECORDS_DIRECTORY,
        "MANIFEST": paths.MANIFEST,
        "WARM_LOG": paths.WARM_LOG,
        "WARM_SOURCES": paths.WARM_SOURCES,
        "BUILDKITD_TOML": paths.BUILDKITD_TOML,
        "LOGINS": paths.LOGINS_DIRECTORY,
        "DOCKER_MIRRORS": " ".join(list_docker_mirrors(spec)),
        "PROGRAMS": paths.BUILDKIT_PROGRAMS,
        "WARM_ATTEMPTS": str(spec.warm.attempts if spec.warm is not None else 0),
        "WARM_SECONDS": str(spec.deadlines.build_seconds),
    }


def _render_variables(values: Mapping[str, str]) -> bytes:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()).encode()
