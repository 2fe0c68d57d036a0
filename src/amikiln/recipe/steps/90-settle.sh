#!/bin/sh
# Builder and Docker stop cleanly before the snapshot: BuildKit opens its database without sync,
# and one that was cut off in mid-write is replaced by an empty one at the next start, silently.
. ./lib.sh

# A container with restart=always that was stopped by hand comes back with the daemon:
# https://docs.docker.com/engine/containers/start-containers-automatically/
docker stop --time 60 "$(builder_container)" >/dev/null
systemctl stop docker.socket docker.service
sync
say "builder and Docker stopped, disks synced"
