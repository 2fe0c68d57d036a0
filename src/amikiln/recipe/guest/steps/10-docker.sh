#!/bin/sh
# Docker is installed, starts at boot, and has buildx.
. ./lib.sh

# Docker looks here before it looks where packages put plugins
# (https://docs.docker.com/build/install-buildx/).
PLUGINS=/usr/local/lib/docker/cli-plugins
DOWNLOAD_SECONDS=600

# Prints 0.12.1 of "github.com/docker/buildx v0.12.1 30feaa1", and nothing where that is no version:
# one that was built without it calls itself v0.0.0+unknown.
read_buildx_version() {
    docker buildx version 2>/dev/null | sed -nE 's/^[^ ]+ v?([0-9]+\.[0-9][^ ]*).*/\1/p' |
        grep -v '^0\.0\.0' || true
}

install_pinned_buildx() {
    say "installing buildx from $BUILDX_URL"
    rm -f buildx.new
    curl --fail --silent --show-error --location --retry 3 --max-time "$DOWNLOAD_SECONDS" \
        --output buildx.new "$BUILDX_URL" || die "$BUILDX_URL (docker.buildx_url) cannot be fetched"
    found=$(sha256sum buildx.new | cut -d' ' -f1)
    [ "$found" = "$BUILDX_SHA256" ] ||
        die "$BUILDX_URL has the SHA-256 $found, and docker.buildx_sha256 is $BUILDX_SHA256"
    install -D -m 0755 buildx.new "$PLUGINS/docker-buildx"
    rm -f buildx.new
}

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
if ! docker buildx version >/dev/null 2>&1 && [ -z "$BUILDX_URL" ]; then
    say "installing buildx"
    # The distributions' name for it, and Docker's own.
    install_packages docker-buildx docker-buildx-plugin
    docker buildx version >/dev/null 2>&1 ||
        die "docker has no buildx plugin, and no package repository offers one:" \
            "use a source image that has it, or name a release in docker.buildx_url"
fi

docker_version=$(docker version --format '{{.Server.Version}}')
new_enough "$docker_version" "$DOCKER_MINIMUM" ||
    die "Docker is $docker_version, and docker.minimum_version is $DOCKER_MINIMUM"

buildx_version=$(read_buildx_version)
if [ -n "$BUILDX_URL" ] && { [ -z "$buildx_version" ] || ! new_enough "$buildx_version" "$BUILDX_MINIMUM"; }; then
    install_pinned_buildx
    docker buildx version >/dev/null || die "what $BUILDX_URL has is not buildx for this machine"
    # What its own maker built without a version is known by its digest all the same.
    buildx_version=$(read_buildx_version)
    : "${buildx_version:=of SHA-256 $BUILDX_SHA256}"
    pinned=yes
fi
if [ -z "$buildx_version" ]; then
    die "cannot tell whether buildx is at least $BUILDX_MINIMUM (docker.minimum_buildx_version):" \
        "it says '$(docker buildx version)';" \
        "name a release in docker.buildx_url and docker.buildx_sha256"
fi
case $buildx_version in
of*) ;;
*)
    new_enough "$buildx_version" "$BUILDX_MINIMUM" ||
        die "buildx is $buildx_version, and docker.minimum_buildx_version is $BUILDX_MINIMUM"
    ;;
esac
say "Docker $docker_version, buildx $buildx_version${pinned:+ (docker.buildx_url)}"
