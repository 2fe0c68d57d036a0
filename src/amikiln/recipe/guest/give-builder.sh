#!/bin/sh
# Gives a job the image's builder: its record is put into the job's own buildx directory, and it is
# current there, as by `docker buildx use --default`. The agent's environment hook runs this in each
# job. It never fails one: what goes wrong is one line on stderr. What a job chooses later, counts:
# with the word "late", as the pre-command hook runs it, only a directory is changed that has neither
# this builder nor a choice, because a plugin's hook has just made it.
# https://github.com/docker/buildx/blob/master/store/store.go
set -u
PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin
export PATH
umask 077

records=${0%/*}/builder
# Where docker looks when a variable is empty or not set.
home=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
docker_config=${DOCKER_CONFIG:-$home/.docker}
directory=${BUILDX_CONFIG:-$docker_config/buildx}

# Writes a file of the directory from stdin, at once: a job beside this one may be reading it.
write() { cat >"$directory/.amikiln.$$" && mv -f "$directory/.amikiln.$$" "$directory/$1"; } # FILE

# Prints the Docker that this job talks to, by which buildx remembers what is current.
name_docker() {
    context=${DOCKER_CONTEXT:-$(sed -n \
        's/.*"currentContext"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$docker_config/config.json" 2>/dev/null)}
    case ${DOCKER_HOST:+host}${context} in
    host*) printf '%s' "$DOCKER_HOST" ;;
    '' | default) printf 'unix:///var/run/docker.sock' ;;
    *) printf '%s' "$context" ;;
    esac
}

# Whether a directory has this builder, or another choice.
is_chosen() { # BUILDER
    [ -e "$directory/instances/$1" ] || grep -q '"Name":"[^"]' "$directory/current" 2>/dev/null
}

give() { # late or nothing
    for record in "$records"/*; do
        builder=${record##*/}
        if [ "$1" = late ] && is_chosen "$builder"; then continue; fi
        mkdir -p "$directory/instances" "$directory/defaults" || return
        write "instances/$builder" <"$record" || return
        docker=$(name_docker)
        # The same Docker has two names; what is a default stays one when a job asks another between.
        for name in "$docker" unix:///var/run/docker.sock unix:///run/docker.sock; do
            hash=$(printf '%s' "$name" | sha256sum | cut -c 1-20)
            printf '%s' "$builder" | write "defaults/$hash" || return
        done
        printf '{"Key":"%s","Name":"%s","Global":false}' "$docker" "$builder" | write current || return
    done
}

said=$(give "${1:-}" 2>&1) || printf "amikiln: this job may not find the image's builder in %s: %s\n" \
    "$directory" "$(printf '%s' "$said" | tr '\n' ' ')" >&2
exit 0
