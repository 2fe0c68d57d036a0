#!/bin/sh
# The persistent BuildKit builder, owned by the user that runs jobs.
. ./lib.sh

if ! cmp -s buildkitd.toml /etc/buildkit/buildkitd.toml; then
    install -D -m 0644 buildkitd.toml /etc/buildkit/buildkitd.toml
    say "/etc/buildkit/buildkitd.toml written"
fi
mkdir -p "$RECORDS"
make_builder
