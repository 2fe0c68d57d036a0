#!/bin/sh
# Prints when this machine booted, in seconds since 1970. A container's own start is that of its first
# process: the kernel's boot (proc_stat(5), btime) is its host's.
set -eu
if [ -n "${BOOT_MOMENT:-}" ]; then # tests
    echo "$BOOT_MOMENT"
    exit 0
fi
ticks=$(sed 's/^.*) //' /proc/1/stat | cut -d ' ' -f 20) # starttime, the 22nd field (proc_pid_stat(5))
awk -v ticks="$ticks" -v rate="$(getconf CLK_TCK 2>/dev/null || echo 100)" '
    $1 == "btime" { printf "%d\n", $2 + ticks / rate }' /proc/stat
