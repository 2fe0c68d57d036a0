#!/bin/sh
# Step 2: a machine boots from the image, and has to prove that builds on it are warm.
set -eu
cd "$(dirname "$0")/../.."
. .buildkite/steps/lib.sh

image_id=$(buildkite-agent meta-data get "$KEY")
rm -f verdict.json
code=0
amikiln verify "$IMAGE" "$image_id" --verdict verdict.json >verified.txt || code=$?

# A verdict that is no pass tells why, and publish would refuse it.
[ ! -e verdict.json ] || buildkite-agent artifact upload verdict.json
if [ "$code" = 0 ]; then
    annotate success "Proven" verified.txt
else
    annotate error "Not proven: the pointer stays where it is" verified.txt
fi
exit "$code"
