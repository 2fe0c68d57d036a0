#!/bin/sh
# The persistent BuildKit builder, owned by the user that runs jobs.
. ./lib.sh

install -D -m 0644 buildkitd.toml /etc/buildkit/buildkitd.toml
say "/etc/buildkit/buildkitd.toml written"

container=$(builder_container)
stamp=$(printf '%s\n' "$BUILDKIT_IMAGE" | cat - buildkitd.toml | sha256sum | cut -d' ' -f1)
made_from=$(cat /etc/amikiln/builder.sha256 2>/dev/null || true)

# A builder made anew has an empty cache: it is made only where it would be another one.
if [ "$made_from" = "$stamp" ] && docker inspect "$container" >/dev/null 2>&1; then
    docker start "$container" >/dev/null
    say "builder $BUILDER is there already"
else
    as_owner docker buildx rm --force "$BUILDER" >/dev/null 2>&1 || true
    as_owner docker buildx create --name "$BUILDER" --driver docker-container \
        --driver-opt "image=$BUILDKIT_IMAGE" --driver-opt network=host \
        --config /etc/buildkit/buildkitd.toml --use --bootstrap
    mkdir -p /etc/amikiln
    printf '%s\n' "$stamp" >/etc/amikiln/builder.sha256
fi

# The driver option restart-policy needs buildx 0.13; this works with any.
docker update --restart=always "$container" >/dev/null
say "container $container: $(docker inspect --format \
    '{{.State.Status}}, restart {{.HostConfig.RestartPolicy.Name}}, network {{.HostConfig.NetworkMode}}' "$container")"
