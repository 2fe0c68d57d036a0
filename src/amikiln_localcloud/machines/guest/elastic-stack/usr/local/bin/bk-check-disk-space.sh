#!/bin/bash
# Stands for the Elastic CI Stack's script of this name: is enough free where Docker's data is?
set -euo pipefail

root=$(jq -r '."data-root" // "/var/lib/docker"' /etc/docker/daemon.json)
kib=$(df -k --output=avail "${root:-/var/lib/docker}" | tail -n 1)
inodes=$(df -k --output=iavail "${root:-/var/lib/docker}" | tail -n 1)
echo "$kib KiB and $inodes inodes are free"
[[ $kib -ge ${DISK_MIN_AVAILABLE:-5242880} && $inodes -ge ${DISK_MIN_INODES:-250000} ]]
