#!/usr/bin/env bash
# Written by `amikiln export packer` from images/cpu-build/image.toml: edit docker.images there.
#
# Pulls the images that are baked in: four at a time, with three attempts each. For any machine with
# Docker; `amikiln bake` and Packer's template pull by digest instead (40-images.sh).
set -euo pipefail

IMAGES=(
  "public.ecr.aws/q9t5s3a7/vllm-ci-postmerge-repo:latest"
)

pull() {
  for attempt in 1 2 3; do
    if docker pull --quiet "$1"; then
      return
    fi
    echo "pull of $1 failed (attempt $attempt of 3)" >&2
    sleep $((attempt * 5))
  done
  return 1
}
export -f pull

# shellcheck disable=SC2016 # xargs' bash expands it
[ -z "${IMAGES[*]-}" ] || printf '%s\0' "${IMAGES[@]}" | xargs -0 -n 1 -P 4 bash -c 'pull "$1"' pull
