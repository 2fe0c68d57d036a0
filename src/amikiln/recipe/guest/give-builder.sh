#!/bin/sh
# Gives a job the image's builder: its record is put into the job's own buildx directory, and it is
# current there, as by `docker buildx use --default`. The agent's environment hook runs this in each
# job. It never fails one: what goes wrong is one line on stderr. What a job chooses later, counts, and
# so does what its hooks choose:
#   give-builder                 before the hook's own lines: whatever was current before this job
#   give-builder since SECONDS   after them: a choice that is no older, counts
#   give-builder late            in the pre-command hook: any choice counts; a directory that neither
#                                has this builder nor a choice, a plugin's hook has just made
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

# Whether another builder is current in the directory.
has_choice() { # BUILDER
    grep '"Name":"[^"]' "$directory/current" 2>/dev/null | grep -qvF "\"Name\":\"$1\""
}

give() { # as the script's words
    for record in "$records"/*; do
        builder=${record##*/}
        if [ "$1" = late ] && { [ -e "$directory/instances/$builder" ] || has_choice "$builder"; }; then continue; fi
        mkdir -p "$directory/instances" "$directory/defaults" || return
        write "instances/$builder" <"$record" || return
        if [ "$1" = since ] && has_choice "$builder" && [ "$(stat -c %Y "$directory/current")" -ge "$2" ]; then
            continue
        fi
        docker=$(name_docker)
        # The same Docker has two names; what is a default stays one when a job asks another between.
        for name in "$docker" unix:///var/run/docker.sock unix:///run/docker.sock; do
            hash=$(printf '%s' "$name" | sha256sum | cut -c 1-20)
            printf '%s' "$builder" | write "defaults/$hash" || return
        done
        printf '{"Key":"%s","Name":"%s","Global":false}' "$docker" "$builder" | write current || return
    done
}

said=$(give "${1:-}" "${2:-0}" 2>&1) || printf "amikiln: this job may not find the image's builder in %s: %s\n" \
    "$directory" "$(printf '%s' "$said" | tr '\n' ' ')" >&2
exit 0
