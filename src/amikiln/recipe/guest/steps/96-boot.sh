#!/bin/sh
# The manifest says whether /boot changed: a container machine cannot prove that the image boots then.
. ./lib.sh

# The values came before the first step. Of what is removed, its directory shows it.
changed=$(find /boot -xdev -newercc values.env -print -quit)
answer=false
if [ -n "$changed" ]; then
    answer=true
    say "$changed is new: no machine has booted from it yet"
fi
sed -i -e 's/^{"boot_changed":[a-z]*,/{/' -e "s/^{/{\"boot_changed\":$answer,/" "$MANIFEST"
sync_disks
