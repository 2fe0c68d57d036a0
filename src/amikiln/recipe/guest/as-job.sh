#!/bin/sh
# as-job.sh COMMAND...: runs a command as a job of the CI, from any folder. For checks.
cd "${0%/*}" || exit
set -eu
. ./lib.sh
as_job "$@"
