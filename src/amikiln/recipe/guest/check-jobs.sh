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
        printf '%s\t%s\n' "$1" "$(shorten job.out)"
    else
        printf '%s\tfailed: %s\n' "$1" "$(tail -n 1 job.err | tr '\t' ' ')"
    fi
    grep '^amikiln: ' job.err | head -n 1 | tr '\t' ' ' | sed 's/^/said	/'
}

ask_job() { # CASE WORDS of `docker buildx inspect`...
    asked=$1
    shift
    code=0
    as_job docker buildx inspect "$@" >job.out 2>job.err </dev/null || code=$?
    report "$asked" "$code"
}

# As far as jobs could change it.
describe_builder() { { find_builder_process && print_builder_store; } 2>&1 || true; }

before=$(describe_builder)
ask_job named "$BUILDER"
ask_job unnamed
for JOB_WITH in home-folder plugin; do ask_job "$JOB_WITH"; done
unset JOB_WITH

# One job makes a builder of its own, and is using it while the next one comes and goes.
rm -f begin made
mkfifo begin made
# shellcheck disable=SC2016 # expanded by the job
as_job sh -euc '
    docker buildx create --name "$1" --use >&2
    echo made
    read -r _
    docker buildx inspect
    docker buildx rm "$1" >&2' sh "$OWN" <begin >made 2>own.err &
job=$!
exec 4>begin 3<made
read -r _ <&3 || true
ask_job beside-it
echo >&4 || true
exec 4>&-
cat <&3 >own.out
code=0
wait "$job" || code=$?
mv own.out job.out
mv own.err job.err
report own "$code"
if [ "$before" = "$(describe_builder)" ]; then same=yes; else same=no; fi
printf 'untouched\t%s\n' "$same"
