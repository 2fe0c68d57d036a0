#!/bin/sh
# Step 1: looks up all that moves, as tags and branches. The other steps work from what it found.
set -eu
cd "$(dirname "$0")/../.."
. .buildkite/steps/lib.sh

amikiln plan "$IMAGE" --out "$PLAN" >planned.txt
buildkite-agent artifact upload "$PLAN"
annotate info "Planned" planned.txt
