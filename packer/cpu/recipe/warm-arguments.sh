# shellcheck shell=sh
set -- --file=docker/docker-bake.hcl "$@"
