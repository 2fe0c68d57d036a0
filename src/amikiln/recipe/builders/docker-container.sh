# shellcheck shell=sh
# The builder as a Docker container, which buildx creates; lib.sh describes each function.

builder_container() { printf 'buildx_buildkit_%s0' "$BUILDER"; }

make_builder() {
    container=$(builder_container)
    # A new container has an empty cache: one that would be the same stays.
    if builder_is_current && docker inspect "$container" >/dev/null 2>&1; then
        docker start "$container" >/dev/null
        say "builder $BUILDER is there already"
    else
        as_owner docker buildx rm --force "$BUILDER" >/dev/null 2>&1 || true
        # Flags count instead of buildkitd.toml, and buildx always gives one for network.host.
        flags=''
        for entitlement in $ENTITLEMENTS; do
            flags="$flags --allow-insecure-entitlement=$entitlement"
        done
        case $ENTITLEMENTS in
        *security.insecure*) set -- --buildkitd-flags "${flags# }" ;;
        *) set -- ;;
        esac
        as_owner_with_logins docker buildx create "$@" --name "$BUILDER" --driver docker-container \
            --driver-opt "image=$BUILDKIT_IMAGE" --driver-opt network=host \
            --config "$BUILDKITD_TOML" --use --bootstrap
        record_builder
    fi
    # The driver option restart-policy needs buildx 0.13; this works with any.
    docker update --restart=always "$container" >/dev/null
    # For later, when Docker is stopped and cannot be asked.
    docker inspect --format \
        '{{range .Mounts}}{{if eq .Destination "/var/lib/buildkit"}}{{.Source}}{{end}}{{end}}' \
        "$container" >"$RECORDS/builder-state-directory"
    say "container $container: $(docker inspect --format \
        '{{.State.Status}}, restart {{.HostConfig.RestartPolicy.Name}}, network {{.HostConfig.NetworkMode}}' "$container")"
}

stop_builder() {
    # A container with restart=always that was stopped by hand comes back with the daemon:
    # https://docs.docker.com/engine/containers/start-containers-automatically/
    docker stop --time "$BUILDER_STOP_SECONDS" "$(builder_container)" >/dev/null
    code=$(docker inspect --format '{{.State.ExitCode}}' "$(builder_container)")
    [ "$code" != 137 ] ||
        die "BuildKit did not stop within $BUILDER_STOP_SECONDS s and was killed:" \
            "its databases may be damaged"
}

restart_builder() { docker restart --time "$BUILDER_STOP_SECONDS" "$(builder_container)" >/dev/null; }

print_builder_version() { docker exec "$(builder_container)" buildkitd --version | cut -d' ' -f3; }

find_builder_state() {
    [ -s "$RECORDS/builder-state-directory" ] || die "no builder was made on this machine"
    cat "$RECORDS/builder-state-directory"
}

find_builder_process() {
    docker inspect --format '{{.Id}} {{.State.Pid}} {{.State.StartedAt}}' "$(builder_container)"
}

run_buildctl() { docker exec "$(builder_container)" buildctl "$@"; }
