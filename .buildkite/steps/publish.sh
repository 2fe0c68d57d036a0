#!/bin/sh
# Step 3: makes the SSM parameter name the verified image.
set -eu
cd "$(dirname "$0")/../.."
. .buildkite/steps/lib.sh

image_id=$(buildkite-agent meta-data get "$KEY")
buildkite-agent artifact download verdict.json .
amikiln publish "$IMAGE" "$image_id" --verdict verdict.json --result published.json
buildkite-agent artifact upload published.json
amikiln status "$IMAGE" >status.txt
annotate success "Published: new instances use $image_id" status.txt
