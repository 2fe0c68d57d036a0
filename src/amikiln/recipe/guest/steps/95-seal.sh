#!/bin/sh
# Nothing of this run or this machine stays: keys, logins, identity, histories, logs, caches.
. ./lib.sh
. ./homes.sh

# Removes the files that exist, and says so on one line.
remove() { # WHAT FILE...
    what=$1
    shift
    gone=0
    for file; do
        if [ -e "$file" ] || [ -L "$file" ]; then
            rm -rf "$file"
            gone=$((gone + 1))
        fi
    done
    [ "$gone" = 0 ] || say "removed: $what ($gone)"
}

remove_logins() { # FILE...
    for file; do
        # A file that only names credential helpers holds no secret, and jobs may need it.
        if grep -qE '"(auth|identitytoken|registrytoken|password)"' "$file" 2>/dev/null; then
            remove "$file: it held a registry login" "$file"
        fi
    done
}

list_homes '' >homes.list
while IFS= read -r home; do
    with_authorized_keys "$home" remove "keys that may log in to $home"
    with_histories "$home" remove "histories in $home"
    with_registry_logins "$home" remove_logins
    remove "traces in $home" "$home/.wget-hsts" "$home/.sudo_as_admin_successful"
done <homes.list
remove "ssh host keys" /etc/ssh/ssh_host_*

# cloud-init keeps user data, and with it this run's host key, under /var/lib/cloud.
if command -v cloud-init >/dev/null; then
    cloud-init clean --logs
    say "removed: cloud-init's state and logs, by cloud-init clean"
fi
remove "cloud-init's state" /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/data

if command -v dnf >/dev/null; then
    dnf clean all -q
    say "removed: dnf's caches, by dnf clean all"
    remove "dnf's caches" /var/cache/dnf/* /var/cache/yum/*
fi
remove "downloaded packages" /var/cache/apt/archives/*.deb /var/cache/apt/*.bin
remove "package lists" /var/lib/apt/lists/*

# The sockets of systemd and X and the folders of running services are created anew at boot.
remove "temporary files" /tmp/* /tmp/.[!.]* /var/tmp/* /var/tmp/.[!.]*

# sudo logs its commands to the journal.
remove "the journal" /var/log/journal/*
emptied=$(find /var/log -xdev -type f -size +0 -print -exec sh -c ': >"$1"' sh {} \; | wc -l)
[ "$emptied" = 0 ] || say "emptied: log files ($emptied)"

# Emptied, not removed: systemd makes a new id at the next boot (machine-id(5)).
if [ -s /etc/machine-id ]; then
    : >/etc/machine-id
    say "emptied: /etc/machine-id"
fi
if [ ! -L /var/lib/dbus/machine-id ]; then
    remove "D-Bus's machine id" /var/lib/dbus/machine-id
fi
remove "the random seed" /var/lib/systemd/random-seed /var/lib/systemd/credential.secret
sync_disks
