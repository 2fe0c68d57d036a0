#!/bin/sh
# On a machine booted from the image, as a job and without a network: the same build once more, and
# then all that its results are made of is read. At last, where jobs get something else than the bake
# may have got: the build as it is today, with a network. Prints the steps of each build as rawjson,
# then
#   ended NAME EXIT-CODE SECONDS BYTES
# and what a failed build said; and before all of that
#   asks WHAT                      a URL or git reference that the build asks for each time
#   runs TARGET SETTING [STAGE...] what its bake files keep from using a cache
. ./lib.sh
. ./warm.sh
. ./cut-off.sh

trap reconnect EXIT
trap 'exit 1' HUP INT TERM

# The agent's environment hook may need the network, as jobs have it: it ends with the first word.
as_cut_off_job() {
    rm -f begun go
    mkfifo -m 0622 begun
    mkfifo -m 0644 go
    exec 8<>begun 9<>go
    {
        code=0
        # shellcheck disable=SC2016 # of the job's own shell
        as_job sh -c 'echo begun >"$1" && read -r word <"$2" && [ "$word" = go ] || exit
            shift 2
            exec "$@"' \
            sh "$RECIPE/begun" "$RECIPE/go" "$@" || code=$?
        echo "ended $code" >begun
        exit "$code"
    } &
    read -r event <&8
    date +%s%N >warm.times
    if [ "$event" = begun ]; then
        # Without a record of the bake nothing is proven: it is seen what has to be built.
        if [ ! -s "$WARM_LOG" ] || (cut_off); then echo go >&9; else echo stop >&9; fi
        date +%s%N >warm.times
        read -r event <&8
        reconnect
    fi
    date +%s%N >>warm.times
    exec 8>&- 9>&-
    return "${event#ended }"
}

# Whether a build failed because BuildKit does not know what an image is, not for a step.
lacks_metadata() {
    grep -qE '"name":"(\[([^]]* )?internal\] load metadata for|(\[[^]]*\] )?resolve image config for) [^"]*"[^}]*"error":"' \
        warm.rawjson
}

# Manifests and configurations of images, without layers: jobs ask registries for them, too.
fetch_metadata() {
    grep '^image ' warm-parts.list >warm-images.list || return 0
    write_parts warm-images.list >warm-parts.targets
    # shellcheck disable=SC2046 # names without blanks
    OVERLAY=warm-parts.json run_warm_build as_owner_with_logins ask warm-metadata.rawjson \
        $(cat warm-parts.targets) >warm-metadata.out 2>&1 || true
}

build_and_report() { # NAME ask|read [WORD...]
    name=$1
    shift
    code=0
    run_warm_build as_cut_off_job "$@" >warm.out 2>&1 || code=1
    if [ "$code" = 1 ] && [ "$name" = ask ] && lacks_metadata; then
        fetch_metadata
        code=0
        run_warm_build as_cut_off_job "$@" >warm.out 2>&1 || code=1
    fi
    bytes=0
    if [ "$1" = read ]; then
        exec 7>&-
        wait "$counter"
        bytes=$(cat sent.bytes)
    fi
    select_steps <warm.rawjson || true
    seconds=$(awk '{ before = last; last = $1 } END { printf "%.3f", (last - before) / 1e9 }' \
        warm.times)
    echo "ended $name $code $seconds $bytes"
    [ "$code" = 0 ] || {
        tail -n "$SHOWN_LINES" warm.out
        exit 0
    }
}

# Counts what is written to the file "sent" until 7 is closed.
count_sent() {
    rm -f sent
    mkfifo -m 0666 sent
    exec 7<>sent
    wc -c <sent >sent.bytes 7>&- &
    counter=$!
}

prepare_warm_build as_job
: >warm-parts.list
[ ! -s "$WARM_LOG" ] || list_parts "$WARM_LOG" >warm-parts.list
if [ -s "$WARM_SOURCES" ]; then cp "$WARM_SOURCES" warm-sources.list; else : >warm-sources.list; fi
pin_sources warm-parts.list warm-sources.list
awk '{ print "asks", $2 }' warm-sources.list
awk '$2 != "pull" { print "runs", $0 }' warm-settings.list | tee warm-runs.list

build_and_report ask ask warm.rawjson
count_sent
build_and_report read read warm.rawjson "$RECIPE/sent"
if [ -s warm-parts.list ] && imported_any "$WARM_LOG"; then
    write_parts warm-parts.list >warm-parts.targets
    OVERLAY=warm-parts.json
    count_sent
    # shellcheck disable=SC2046 # names without blanks
    build_and_report parts read warm.rawjson "$RECIPE/sent" $(cat warm-parts.targets)
fi
if [ -s warm-sources.list ] || [ -s warm-runs.list ]; then
    # Whatever is a hit is known to be on the disk. A step that runs need not end.
    # shellcheck disable=SC2034 # of warm.sh
    WARM_SECONDS=$TODAY_SECONDS
    code=0
    run_warm_build as_job today warm.rawjson >warm.out 2>&1 || code=$(cat warm.exit-code)
    select_steps <warm.rawjson || true
    echo "ended today $code 0 0"
    [ "$code" = 0 ] || tail -n "$SHOWN_LINES" warm.out
fi
