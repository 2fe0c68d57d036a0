#!/bin/sh
# The real build, on the builder that jobs will use: pulled images alone do not feed its cache.
. ./lib.sh
. ./warm.sh

# shellcheck disable=SC2154 # WARM_ATTEMPTS comes from values.env
trap 'rm -rf "$SECRETS" "$LOGINS"; note_time' EXIT

mkdir -p "$RECORDS"
rm -f "$WARM_LOG"
if [ ! -e warm-arguments.sh ]; then
    say "the spec has no [warm]: the builder's cache stays empty"
    exit 0
fi

# What an attempt finished is in the cache for the next one: only together do their reports have
# the time of every step.
: >warm-steps.rawjson
attempt=1
until run_warm_build warm.rawjson as_owner_with_logins; do
    select_steps <warm.rawjson >>warm-steps.rawjson || true
    [ "$attempt" -lt "$WARM_ATTEMPTS" ] ||
        die "the warm build failed $attempt times; what its failing step wrote is above"
    say "attempt $attempt of $WARM_ATTEMPTS failed, the next one follows"
    sleep $((attempt * 5))
    attempt=$((attempt + 1))
done
select_steps <warm.rawjson >>warm-steps.rawjson
cp warm-steps.rawjson "$WARM_LOG"
say "the builder's cache holds the warm build"
