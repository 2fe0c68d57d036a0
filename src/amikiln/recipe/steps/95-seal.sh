#!/bin/sh
# Nothing of this run or this machine stays: keys, identity, histories, logs of the bake.
. ./lib.sh

for home in /root /home/*; do
    rm -f "$home/.ssh/authorized_keys" "$home/.bash_history" "$home/.ash_history"
done
rm -f /etc/ssh/ssh_host_*

# cloud-init keeps user data, and with it this run's host key, under /var/lib/cloud.
if command -v cloud-init >/dev/null; then
    cloud-init clean --logs
fi
rm -rf /var/lib/cloud/instance /var/lib/cloud/instances

# Emptied, not removed: systemd makes a new id at the next boot (machine-id(5)).
: >/etc/machine-id
if [ -e /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
    rm -f /var/lib/dbus/machine-id
fi
rm -f /var/lib/systemd/random-seed
sync
say "removed: authorized keys, ssh host keys, cloud-init state, shell histories, machine id, random seed"
