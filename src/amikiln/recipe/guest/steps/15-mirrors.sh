#!/bin/sh
# Docker asks the spec's mirrors first for images of Docker Hub. The builder has its own configuration.
. ./lib.sh

[ -n "$DOCKER_MIRRORS" ] || exit 0
file=/etc/docker/daemon.json
command -v jq >/dev/null || install_packages jq
command -v jq >/dev/null || die "no package repository of this machine offers jq, which changes $file"

mkdir -p /etc/docker
[ -s "$file" ] || echo '{}' >"$file"
# shellcheck disable=SC2086 # one word a mirror
jq '."registry-mirrors" = ($ARGS.positional + ((."registry-mirrors" // []) - $ARGS.positional))' \
    "$file" --args $DOCKER_MIRRORS >"$file.new" || die "$file is no JSON that jq can change"
if cmp -s "$file.new" "$file"; then
    rm "$file.new"
else
    mv "$file.new" "$file"
    # https://docs.docker.com/reference/cli/dockerd/#configuration-reload-behavior
    systemctl reload docker.service
fi
say "mirrors of Docker Hub: $DOCKER_MIRRORS"
