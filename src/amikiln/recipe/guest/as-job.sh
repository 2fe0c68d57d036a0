#!/bin/sh
# Runs a command, the words that it is given, as a job of the CI, from any folder. For checks.
cd "$(dirname "$0")" || exit
set -eu
. ./lib.sh
as_job "$@"
