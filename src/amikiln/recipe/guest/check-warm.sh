#!/bin/sh
# On a machine booted from the image: the same build once more, as a job. Prints its steps as rawjson.
. ./lib.sh
. ./warm.sh

run_warm_build warm.rawjson as_job >warm.out 2>&1 || {
    tail -n "$SHOWN_LINES" warm.out >&2
    exit 1
}
select_steps <warm.rawjson
