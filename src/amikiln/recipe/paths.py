"""Where amikiln's files lie on a machine. The shell steps get these paths as values."""

from __future__ import annotations

RECIPE_DIRECTORY = "/run/amikiln"
"""The recipe: on a tmpfs, so nothing of it stays in the image."""

SECRETS_DIRECTORY = "/run/amikiln-secrets"
"""The warm build's secrets: on a tmpfs, one file each, for the builder's owner alone."""

LOGINS_DIRECTORY = "/run/amikiln-logins"
"""Docker's configuration with the registries' logins: on a tmpfs, gone after the warm build."""

CONTEXT_DIRECTORY = "/var/tmp/amikiln-context"  # noqa: S108  (created anew by root)
"""The warm build's context: on disk, for it may be large. 95-seal removes it."""

WARM_STEP = "steps/50-warm.sh"
"""The step that runs the warm build, in the recipe."""

RECORDS_DIRECTORY = "/etc/amikiln"
"""What stays in the image: facts about its bake, which verify compares with."""

BUILDKITD_TOML = "/etc/buildkit/buildkitd.toml"
"""The builder's configuration."""

BUILDKIT_PROGRAMS = "/opt/buildkit"
"""The builder's programs, where it is a systemd service."""

MANIFEST = f"{RECORDS_DIRECTORY}/manifest.json"
"""What was planned, and what was found on the machine."""

WARM_LOG = f"{RECORDS_DIRECTORY}/warm.rawjson"
"""The steps of the warm build and how long each took, as BuildKit reported them."""

WARM_SOURCES = f"{RECORDS_DIRECTORY}/warm-sources.list"
"""The URLs and git references that the warm build asked for, and what these gave."""
