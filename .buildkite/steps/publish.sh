#!/bin/sh
# Step 4: makes the SSM parameter name the verified image.
set -eu
cd "$(dirname "$0")/../.."
. .buildkite/steps/lib.sh

image_id=$(buildkite-agent meta-data get "$KEY")
fetch_plan
buildkite-agent artifact download verdict.json .
amikiln publish "$IMAGE" "$image_id" --plan "$PLAN" --verdict verdict.json --result published.json
buildkite-agent artifact upload published.json
amikiln status "$IMAGE" >status.txt
annotate success "Published: new instances use $image_id" status.txt
