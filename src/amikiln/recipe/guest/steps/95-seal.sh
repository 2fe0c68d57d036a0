#!/bin/sh
# Nothing of this run or this machine stays: keys, logins, identity, histories, logs, caches.
. ./lib.sh

# Removes what is there, and says so in a line; says nothing about what is not.
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

# Every user's home, a line each.
homes() {
    {
        for home in /root /home/*; do printf '%s\n' "$home"; done
        getent passwd | cut -d: -f6 | grep -E '^/(var/lib|opt|srv|home)/.'
        owner_home
    } | sort -u
}

homes | while read -r home; do
    [ -d "$home" ] || continue
    remove "keys that may log in to $home" "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"
    remove "histories in $home" "$home"/.*_history "$home/.lesshst" "$home/.viminfo" \
        "$home/.wget-hsts" "$home/.sudo_as_admin_successful"
    for logins in "$home/.docker/config.json" "$home/.dockercfg" "$home/.config/containers/auth.json"; do
        # A file that names credential helpers only holds no secret, and jobs may need it.
        if grep -qE '"(auth|identitytoken|registrytoken|password)"' "$logins" 2>/dev/null; then
            remove "$logins: it held a registry login" "$logins"
        fi
    done
done
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

# systemd's and X's own sockets and folders of running services are made anew at boot as well.
remove "temporary files" /tmp/* /tmp/.[!.]* /var/tmp/* /var/tmp/.[!.]*

# sudo tells the journal what it was asked to run.
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
sync
