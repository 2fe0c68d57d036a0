#!/bin/sh
# The real build, on the builder that jobs will use: pulled images alone do not feed its cache.
. ./lib.sh
. ./warm.sh

# shellcheck disable=SC2154 # WARM_ATTEMPTS comes from values.env
trap 'rm -rf "$SECRETS"; note_time' EXIT

mkdir -p /etc/amikiln
rm -f /etc/amikiln/warm.rawjson
if [ ! -e warm-arguments.sh ]; then
    say "the spec has no [warm]: the builder's cache stays empty"
    exit 0
fi

# What an attempt finished is in the cache for the next one: together they tell how long it took.
: >warm-steps.rawjson
attempt=1
until warm_build warm.rawjson; do
    only_steps <warm.rawjson >>warm-steps.rawjson || true
    [ "$attempt" -lt "$WARM_ATTEMPTS" ] ||
        die "the warm build failed $attempt times; what its failing step wrote is above"
    say "attempt $attempt of $WARM_ATTEMPTS failed, the next one follows"
    sleep $((attempt * 5))
    attempt=$((attempt + 1))
done
only_steps <warm.rawjson >>warm-steps.rawjson
cp warm-steps.rawjson /etc/amikiln/warm.rawjson
say "the builder's cache holds the warm build"
