#!/bin/sh
# The user that runs jobs exists and may talk to Docker.
. ./lib.sh

if ! getent passwd "$BUILDER_OWNER" >/dev/null; then
    useradd --system --create-home --home-dir "/var/lib/$BUILDER_OWNER" --shell /bin/bash "$BUILDER_OWNER"
    say "user $BUILDER_OWNER created"
fi
usermod --append --groups docker "$BUILDER_OWNER"
say "user $BUILDER_OWNER: $(id -nG "$BUILDER_OWNER"), home $(owner_home)"
