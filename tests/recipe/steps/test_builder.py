"""30-builder: the builder is made once, by its owner."""

from __future__ import annotations

from fakes import pin
from recipe.root_folder import ADD_OWNER, CONTAINER, OWNER, RootFolder


def test_the_builder_is_made_once_by_its_owner_in_its_home(docker: RootFolder) -> None:
    first, second = docker.run(
        "30-builder",
        before=ADD_OWNER,
        times=2,
        after="cat /etc/buildkit/buildkitd.toml /etc/amikiln/builder-state-directory",
    )
    assert (first.exit_code, second.exit_code) == (0, 0), first.said + second.said
    (buildkit,) = pin(["moby/buildkit:v0.26.3"])
    (create,) = [call for call in first.calls if "buildx create" in call]
    for option in (
        "--name baked-vllm-builder",
        "--driver docker-container",
        f"--driver-opt image={buildkit.by_digest}",
        "--driver-opt network=host",
        "--config /etc/buildkit/buildkitd.toml",
        "--use",
        "--bootstrap",
    ):
        assert option in create
    assert f"home /home/{OWNER} in /home/{OWNER}" in first.calls
    assert f"docker update --restart=always {CONTAINER}" in first.calls
    assert docker.left.endswith("/var/lib/docker/volumes/state/_data\n")
    assert docker.left.startswith(
        'insecure-entitlements = ["network.host"]\n\n'
        "[worker.oci]\n  max-parallelism = 16\n  gc = false\n"
    )

    assert "builder baked-vllm-builder is there already" in second.said
    assert not [call for call in second.calls if "buildx create" in call or "buildx rm" in call]


def test_another_configuration_makes_another_builder(docker: RootFolder) -> None:
    before = f"{ADD_OWNER}; mkdir -p /etc/amikiln; touch /state/container"
    (ran,) = docker.run("30-builder", before=f"{before}; echo other >/etc/amikiln/builder.sha256")
    calls = " | ".join(ran.calls)
    assert calls.index("buildx rm --force baked-vllm-builder") < calls.index("buildx create")
