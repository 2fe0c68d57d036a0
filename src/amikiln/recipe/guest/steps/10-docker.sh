#!/bin/sh
# Docker is installed, starts at boot, and has buildx.
. ./lib.sh

if ! command -v docker >/dev/null; then
    say "installing Docker"
    # docker: Amazon Linux, with client and buildx. The others: Debian and Ubuntu, of which only
    # some have the client in a package of its own; docker there is something else.
    if command -v dnf >/dev/null; then
        install_packages docker
    else
        install_packages docker.io docker-cli docker-buildx
    fi
    command -v docker >/dev/null || die "no package repository of this machine offers Docker"
fi
systemctl enable --quiet docker.service
systemctl start docker.service
if ! docker buildx version >/dev/null 2>&1; then
    say "installing buildx"
    # The distributions' name for it, and Docker's own.
    install_packages docker-buildx docker-buildx-plugin
    docker buildx version >/dev/null 2>&1 ||
        die "docker has no buildx plugin, and no package repository offers one:" \
            "use a source image that has it"
fi

docker_version=$(docker version --format '{{.Server.Version}}')
buildx_version=$(docker buildx version | cut -d' ' -f2 | sed 's/^v//')
new_enough "$docker_version" "$DOCKER_MINIMUM" ||
    die "Docker is $docker_version, and docker.minimum_version is $DOCKER_MINIMUM"
new_enough "$buildx_version" "$BUILDX_MINIMUM" ||
    die "buildx is $buildx_version, and docker.minimum_buildx_version is $BUILDX_MINIMUM"
say "Docker $docker_version, buildx $buildx_version"
