"""95-seal: nothing of the run stays in the image, and nothing else goes."""

from __future__ import annotations

from recipe.root_folder import OWNER, RootFolder

SECRETS = {
    "root/.ssh/authorized_keys": "ssh-ed25519 AAAA run",
    "home/somebody/.ssh/authorized_keys": "ssh-ed25519 AAAA run",
    "home/somebody/.bash_history": "docker login",
    "root/.docker/config.json": '{"auths": {"host": {"auth": "c2VjcmV0"}}}',
    f"var/lib/{OWNER}/.docker/config.json": '{"auths": {"host": {"identitytoken": "t"}}}',
    "etc/ssh/ssh_host_ed25519_key": "PRIVATE",
    "var/lib/cloud/instance/user-data.txt": "#!/bin/sh",
    "var/log/journal/0123/system.journal": "sudo docker login",
    "home/somebody/.python_history": "import secret",
    "var/lib/apt/lists/mirror_Packages": "Package: bash",
    "var/cache/apt/archives/bash.deb": "!<arch>",
    "var/tmp/amikiln-context/Dockerfile": "FROM scratch",
    "tmp/.hidden": "leftover",
}
STAYS = {
    "home/somebody/.docker/config.json": '{"credHelpers": {"host": "ecr-login"}}',
    f"var/lib/{OWNER}/.docker/buildx/current": "baked-vllm-builder",
}

# This machine's own are below, and new ones come up while the test runs.
OWN_TEMPORARY_FILES = """
for folder in /tmp /var/tmp; do
    mount -t tmpfs tmpfs "$folder"
done
mkdir -p /var/tmp/amikiln-context
touch /tmp/.hidden /var/tmp/amikiln-context/Dockerfile"""


def test_nothing_of_the_run_stays_and_nothing_else_goes(docker: RootFolder) -> None:
    emptied = {"etc/machine-id": "0123\n", "var/log/cloud-init-output.log": "token=1\n"}
    for path, content in {**SECRETS, **STAYS, **emptied}.items():
        docker.put(path, content)
    look = "".join(f"ls -d /{path} 2>/dev/null || true;" for path in (*SECRETS, *STAYS))
    first, second = docker.run(
        "95-seal",
        before=f"{OWN_TEMPORARY_FILES}; useradd -r -d /var/lib/{OWNER} {OWNER}",
        times=2,
        after=f"{look} cat " + " ".join(f"/{path}" for path in emptied),
    )
    assert (first.exit_code, second.exit_code) == (0, 0), first.said
    assert docker.left.splitlines() == [f"/{path}" for path in STAYS]
    for said in (
        "removed: /root/.docker/config.json: it held a registry login (1)",
        "removed: histories in /home/somebody (2)",
        "removed: ssh host keys",
        "removed: cloud-init's state",
        "removed: package lists",
        "removed: temporary files",
        "emptied: log files",
        "emptied: /etc/machine-id",
    ):
        assert said in first.said
    assert "removed: " not in second.said.replace("removed: dnf's caches, by dnf clean all", "")
    assert "emptied: " not in second.said
