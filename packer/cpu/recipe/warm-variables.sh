# shellcheck shell=sh
set -- "$@"
