#!/bin/sh
# Nothing of this run or this machine stays: keys, logins, identity, histories, logs of the bake.
. ./lib.sh

for home in /root /home/* "$(owner_home)"; do
    rm -f "$home/.ssh/authorized_keys" "$home/.bash_history" "$home/.ash_history"
    logins=$home/.docker/config.json
    # A file that names credential helpers only holds no secret, and jobs may need it.
    if grep -qE '"(auth|identitytoken|registrytoken|password)"' "$logins" 2>/dev/null; then
        rm -f "$logins"
        say "removed $logins: it held a registry login"
    fi
done
rm -f /etc/ssh/ssh_host_*

# cloud-init keeps user data, and with it this run's host key, under /var/lib/cloud.
if command -v cloud-init >/dev/null; then
    cloud-init clean --logs
fi
rm -rf /var/lib/cloud/instance /var/lib/cloud/instances

# sudo tells the journal what it was asked to run.
rm -rf /var/log/journal/*

# Emptied, not removed: systemd makes a new id at the next boot (machine-id(5)).
: >/etc/machine-id
if [ -e /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
    rm -f /var/lib/dbus/machine-id
fi
rm -f /var/lib/systemd/random-seed
sync
say "removed: authorized keys, ssh host keys, cloud-init state, shell histories, the journal," \
    "machine id, random seed"
