#!/bin/sh
# The persistent BuildKit builder, owned by the user that runs jobs.
. ./lib.sh

if ! cmp -s buildkitd.toml "$BUILDKITD_TOML"; then
    install -D -m 0644 buildkitd.toml "$BUILDKITD_TOML"
    say "$BUILDKITD_TOML written"
fi
mkdir -p "$RECORDS"
make_builder
