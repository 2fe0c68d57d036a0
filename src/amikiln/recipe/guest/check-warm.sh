#!/bin/sh
# On a machine booted from the image: the same build once more. Prints its steps as rawjson.
. ./lib.sh
. ./warm.sh

warm_build warm.rawjson >warm.said 2>&1 || {
    tail -n "$SHOWN_LINES" warm.said >&2
    exit 1
}
only_steps <warm.rawjson
