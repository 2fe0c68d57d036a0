#!/bin/sh
# Docker is there, starts at boot, and has buildx.
. ./lib.sh

if ! command -v docker >/dev/null; then
    say "installing Docker"
    if command -v dnf >/dev/null; then
        install_package docker
    else
        install_package docker.io docker-cli docker-buildx
    fi
fi
systemctl enable --quiet docker.service
systemctl start docker.service
docker buildx version >/dev/null 2>&1 ||
    die "docker has no buildx plugin: use a source image that has it, or install it in a step"

docker_version=$(docker version --format '{{.Server.Version}}')
buildx_version=$(docker buildx version | cut -d' ' -f2 | sed 's/^v//')
new_enough "$docker_version" "$DOCKER_MINIMUM" ||
    die "Docker is $docker_version, and docker.minimum_version is $DOCKER_MINIMUM"
new_enough "$buildx_version" "$BUILDX_MINIMUM" ||
    die "buildx is $buildx_version, and docker.minimum_buildx_version is $BUILDX_MINIMUM"
say "Docker $docker_version, buildx $buildx_version"
