#!/bin/sh
# Step 2: builds an image, by `amikiln bake` or Packer.
#   build.sh bake | packer
set -eu
cd "$(dirname "$0")/../.."
. .buildkite/steps/lib.sh

case ${1:-} in
bake)
    fetch_plan
    fetch_bake_files ""
    amikiln bake "$IMAGE" --plan "$PLAN" --result result.json >baked.txt
    image_id=$(json_value result.json image id)
    ;;
packer)
    command -v packer >/dev/null || {
        echo "error: BUILDER=packer, and this agent has no packer on PATH" >&2
        exit 3
    }
    fetch_plan
    fetch_bake_files ""
    # Packer's template calls amikiln, from its own directory.
    export AMIKILN_PLAN="$PWD/$PLAN"
    absolute=
    for given in ${AMIKILN_BAKE_FILES:-}; do
        path=${given#*=}
        case $path in
        /*) ;;
        *) given="${given%"$path"}$PWD/$path" ;;
        esac
        absolute="$absolute $given"
    done
    export AMIKILN_BAKE_FILES="${absolute# }"
    # Packer would look for the newest source image itself: by then there may be a newer one.
    set -- -var "source_ami_name=$(json_value "$PLAN" source name)" \
        -var "root_device=$(json_value "$PLAN" source root_device)"
    echo "--- Packer"
    rm -f packer/cpu/packer-manifest.json
    (cd packer/cpu && packer init . && packer build -color=false "$@" buildkite-cpu-ami.pkr.hcl)
    cp packer/cpu/packer-manifest.json result.json
    image_id=$(json_value result.json builds -1 artifact_id)
    image_id=${image_id#*:} # after the region
    echo "$image_id, built by Packer" >baked.txt
    ;;
*)
    echo "error: BUILDER is ${1:-empty}; it may be bake or packer" >&2
    exit 2
    ;;
esac

buildkite-agent artifact upload result.json
buildkite-agent meta-data set "$KEY" "$image_id"
annotate info "Built, not verified yet" baked.txt
