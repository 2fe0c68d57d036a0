#!/bin/sh
# The real build, on the builder that jobs will use: pulled images alone do not feed its cache.
. ./lib.sh
. ./warm.sh

# shellcheck disable=SC2154 # WARM_ATTEMPTS comes from values.env
trap 'rm -rf "$SECRETS" "$LOGINS"; note_time' EXIT

mkdir -p "$RECORDS"
rm -f "$WARM_LOG" "$WARM_SOURCES"
if [ ! -e warm-arguments.sh ]; then
    say "the spec has no [warm]: the builder's cache stays empty"
    exit 0
fi

# What an attempt finished is in the cache for the next one: only together do their reports have
# the time of every step.
attempt=1
build_until_done() { # what follows FILE for run_warm_build
    until run_warm_build as_owner_with_logins fill warm.rawjson "$@"; do
        select_steps <warm.rawjson >>warm-steps.rawjson || true
        ! print_failed_steps warm.rawjson | grep -q 'exec format error' ||
            die "a step is for a platform that this machine ($(uname -m)) cannot run and" \
                "$BUILDKIT_IMAGE does not emulate: take it out of the targets' platforms"
        [ "$attempt" -lt "$WARM_ATTEMPTS" ] ||
            die "the warm build failed $attempt times; what its failing step wrote is above"
        say "attempt $attempt of $WARM_ATTEMPTS failed, the next one follows"
        sleep $((attempt * 5))
        attempt=$((attempt + 1))
    done
    select_steps <warm.rawjson >>warm-steps.rawjson
}

# Says before the build takes its time what no cache can help.
report_settings() {
    awk '$2 != "pull"' warm-settings.list >warm-uncached.list
    while read -r target setting stages; do
        say "warning: target $target has $setting${stages:+ for }$stages in its bake file: jobs run" \
            "these steps each time, and verify counts them as missed" >&2
    done <warm-uncached.list
    awk '$2 == "no-cache" { print $1 }' warm-settings.list | sort -u | cmp -s - warm-names.sorted ||
        return 0
    die "all targets have no-cache = true in their bake files: jobs never use the cache that is" \
        "baked here; name targets without it in warm.targets, or leave [warm] out"
}

: >warm-steps.rawjson
prepare_warm_build as_owner
report_settings
build_until_done
if imported_any warm-steps.rawjson; then
    # What a cache has of a build is fetched only where the result needs it: its layers, and not
    # those of the stages and images that it was made from, which jobs need when they change a file.
    list_parts warm-steps.rawjson >warm-parts.list
    if [ -s warm-parts.list ]; then
        say "parts of the build came from a cache elsewhere: fetching its stages and images, too"
        write_parts warm-parts.list >warm-parts.targets
        OVERLAY=warm-parts.json
        # shellcheck disable=SC2046 # names without blanks
        build_until_done $(cat warm-parts.targets)
    fi
fi
list_sources >"$WARM_SOURCES"
if [ -s "$WARM_SOURCES" ]; then
    # With their content pinned they have other names in BuildKit's store, which verify asks for.
    say "the build asks for URLs or git references each time: building with what they are now"
    list_parts warm-steps.rawjson >warm-parts.list
    pin_sources warm-parts.list "$WARM_SOURCES"
    run_warm_build as_owner_with_logins ask warm.rawjson || {
        say "warning: what this build asks for is another one each time, or cannot be pinned:" \
            "verify will not find it on the disk" >&2
    }
fi
cp warm-steps.rawjson "$WARM_LOG"
say "the builder's cache holds the warm build"
