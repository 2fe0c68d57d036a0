#!/bin/sh
# What jobs find. Prints CASE<tab>FOUND, one a line: the builder's name, driver and status, or what
# went wrong; and what the environment hook had to say, as said<tab>LINE.
. ./lib.sh
trap '' PIPE

OWN=amikiln-own

# Prints what is known of the builder in the answer of `docker buildx inspect`: its own lines come
# first, those of its nodes, with the same names, after them.
shorten() { # FILE
    awk '/^(Name|Driver|Status):/ && !seen[$1]++ { found = found " " $2 } END { print substr(found, 2) }' "$1"
}

# Prints what a job that is over found, or else its last line on stderr.
report() { # CASE EXIT-CODE
    if [ "$2" = 0 ]; then
        printf '%s\t%s\n' "$1" "$(shorten "job.$1.out")"
    else
        printf '%s\tfailed: %s\n' "$1" "$(tail -n 1 "job.$1.err" | tr '\t' ' ')"
    fi
    grep '^amikiln: ' "job.$1.err" | head -n 1 | tr '\t' ' ' | sed 's/^/said	/'
}

# What JOB_WITH is set to ends with the case.
run_case() ( # CASE
    set -- "$1" docker buildx inspect
    case $1 in
    named) set -- "$@" "$BUILDER" ;;
    home-folder | plugin) JOB_WITH=$1 ;;
    esac
    asked=$1
    shift
    as_job "$@" >"job.$asked.out" 2>"job.$asked.err" </dev/null
)

# Runs two jobs at once, and prints what each of them found.
ask_two() { # CASE CASE
    run_case "$1" &
    beside=$!
    code=0
    run_case "$2" || code=$?
    beside_code=0
    wait "$beside" || beside_code=$?
    report "$1" "$beside_code"
    report "$2" "$code"
}

# As far as jobs could change it.
describe_builder() { { find_builder_process && print_builder_store; } 2>&1 || true; }

before=$(describe_builder)
ask_two named unnamed
ask_two home-folder plugin

# One job makes a builder of its own, and is using it while the next one comes and goes.
rm -f begin made
mkfifo begin made
# shellcheck disable=SC2016 # expanded by the job
as_job sh -euc '
    docker buildx create --name "$1" --use >&2
    echo made
    read -r _
    docker buildx inspect
    docker buildx rm "$1" >&2' sh "$OWN" <begin >made 2>job.own.err &
job=$!
exec 4>begin 3<made
read -r _ <&3 || true
code=0
run_case beside-it || code=$?
report beside-it "$code"
echo >&4 || true
exec 4>&-
cat <&3 >job.own.out
code=0
wait "$job" || code=$?
report own "$code"
if [ "$before" = "$(describe_builder)" ]; then same=yes; else same=no; fi
printf 'untouched\t%s\n' "$same"
