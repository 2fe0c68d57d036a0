#!/usr/bin/env bash
# Stands for the Elastic CI Stack's script of this name: the tmpfs at /tmp, and a machine's own disks.
set -Eeuo pipefail

exec > >(tee -a /var/log/elastic-stack.log | logger -t user-data -s 2>/dev/console) 2>&1
echo "Starting $0"

if [[ ${BUILDKITE_MOUNT_TMPFS_AT_TMP:-true} != true ]]; then
	if findmnt --types tmpfs /tmp >/dev/null; then umount --lazy /tmp; fi
	systemctl mask --now tmp.mount
fi
[[ ${BUILDKITE_ENABLE_INSTANCE_STORAGE:-false} == true ]] || exit 0

mapfile -t disks < <(nvme list | awk '/Amazon EC2 NVMe Instance Storage/ { print $1 }')
if [[ ${#disks[@]} -eq 0 ]]; then
	echo "No disks of the machine's own"
	exit 0
fi
echo "Formatting ${disks[0]}"
mkfs.ext4 -F -E nodiscard "${disks[0]}" >/dev/null
mkdir -p /mnt/ephemeral
mount -o defaults,noatime "${disks[0]}" /mnt/ephemeral
