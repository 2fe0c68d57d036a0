# shellcheck shell=sh
set --  "$@"
