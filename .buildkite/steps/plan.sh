#!/bin/sh
# Step 1: looks up all that moves, as tags and branches. The other steps work from what it found.
set -eu
cd "$(dirname "$0")/../.."
. .buildkite/steps/lib.sh

fetch_bake_files "${BAKE_FILES_BUILD:-}"
amikiln plan "$IMAGE" --out "$PLAN" >planned.txt
buildkite-agent artifact upload "$PLAN"
# The other steps take what this one was given.
[ -z "${BAKE_FILES_BUILD:-}" ] || for path in $(list_bake_files); do
    buildkite-agent artifact upload "$path"
done
annotate info "Planned" planned.txt
