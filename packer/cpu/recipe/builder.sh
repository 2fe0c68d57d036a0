# shellcheck shell=sh
# The builder as a container of Docker's, which buildx makes; lib.sh says what each function is.

builder_container() { printf 'buildx_buildkit_%s0' "$BUILDER"; }

make_builder() {
    container=$(builder_container)
    # A container made anew has an empty cache: it is made only where it would be another one.
    if builder_is_as_wanted && docker inspect "$container" >/dev/null 2>&1; then
        docker start "$container" >/dev/null
        say "builder $BUILDER is there already"
    else
        as_owner docker buildx rm --force "$BUILDER" >/dev/null 2>&1 || true
        as_owner docker buildx create --name "$BUILDER" --driver docker-container \
            --driver-opt "image=$BUILDKIT_IMAGE" --driver-opt network=host \
            --config /etc/buildkit/buildkitd.toml --use --bootstrap
        builder_was_made
    fi
    # The driver option restart-policy needs buildx 0.13; this works with any.
    docker update --restart=always "$container" >/dev/null
    # Kept for the time when Docker is stopped and cannot be asked.
    docker inspect --format \
        '{{range .Mounts}}{{if eq .Destination "/var/lib/buildkit"}}{{.Source}}{{end}}{{end}}' \
        "$container" >/etc/amikiln/builder-state-directory
    say "container $container: $(docker inspect --format \
        '{{.State.Status}}, restart {{.HostConfig.RestartPolicy.Name}}, network {{.HostConfig.NetworkMode}}' "$container")"
}

stop_builder() {
    # A container with restart=always that was stopped by hand comes back with the daemon:
    # https://docs.docker.com/engine/containers/start-containers-automatically/
    docker stop --time "$BUILDER_STOP_SECONDS" "$(builder_container)" >/dev/null
    code=$(docker inspect --format '{{.State.ExitCode}}' "$(builder_container)")
    [ "$code" != 137 ] ||
        die "BuildKit did not end within $BUILDER_STOP_SECONDS s and was killed:" \
            "its databases may be damaged"
}

builder_version() { docker exec "$(builder_container)" buildkitd --version | cut -d' ' -f3; }

builder_state_directory() {
    [ -s /etc/amikiln/builder-state-directory ] || die "no builder was made on this machine"
    cat /etc/amikiln/builder-state-directory
}

builder_control() { docker exec "$(builder_container)" buildctl "$@"; }
