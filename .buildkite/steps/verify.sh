#!/bin/sh
# Step 3: boots an instance from the image, and checks that builds on it are warm.
set -eu
cd "$(dirname "$0")/../.."
. .buildkite/steps/lib.sh

image_id=$(buildkite-agent meta-data get "$KEY")
fetch_plan
fetch_bake_files ""
rm -f verdict.json
code=0
amikiln verify "$IMAGE" "$image_id" --plan "$PLAN" --verdict verdict.json >verified.txt || code=$?

# A verdict that is not a pass gives the reasons, and publish would refuse it.
[ ! -e verdict.json ] || buildkite-agent artifact upload verdict.json
if [ "$code" = 0 ]; then
    annotate success "Proven" verified.txt
else
    annotate error "Not proven: the pointer is unchanged" verified.txt
fi
exit "$code"
