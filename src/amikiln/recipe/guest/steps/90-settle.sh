#!/bin/sh
# Builder and Docker stop cleanly before the snapshot: BuildKit opens its database without sync, and
# replaces one that was cut off in the middle of a write by an empty one at the next start, silently.
. ./lib.sh

stop_builder
systemctl stop docker.socket docker.service
sync_disks
say "builder and Docker stopped, disks synced"
