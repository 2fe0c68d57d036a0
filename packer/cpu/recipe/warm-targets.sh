# shellcheck shell=sh
set -- test "$@"
