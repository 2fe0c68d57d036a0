#!/bin/sh
# Each job finds the builder: the agent's environment hook puts it into the job's buildx directory.
# After all steps of the user's own, which may bring the agent or a hook.
. ./lib.sh
. ./extend-hook.sh

given=$RECORDS/jobs/builder
mkdir -p "$given"
record=$(owner_home)/.docker/buildx/instances/$BUILDER
[ -s "$record" ] || die "there is no $record: did a step of your own remove the builder $BUILDER?"
for other in "$given"/*; do
    [ "$other" = "$given/$BUILDER" ] || rm -f "$other"
done
install -m 0644 "$record" "$given/$BUILDER"
install -m 0755 give-builder.sh "$GIVE_BUILDER"

# Some of what the agent's unit names may only be there when the fleet has booted.
# shellcheck disable=SC2016 # expanded in there
in_agent_unit /bin/sh -c '. "$1"; list_hook_folders' sh "$PWD/hooks.sh" >hook-folders.list ||
    env -i HOME="$(owner_home)" PATH="$PATH" /bin/sh -c '. ./hooks.sh; list_hook_folders' >hook-folders.list
if [ ! -s hook-folders.list ]; then
    say "warning: the agent's configuration has no hooks-path, so its jobs run no hook of the machine's"
    echo "$HOOKS_WITHOUT_CONFIGURATION" >hook-folders.list
fi
extend_hooks environment ||
    die "amikiln cannot add to the agent's environment hook what leads jobs to the builder (see above):" \
        "let a shell script of its name call what it does, in a step of your own"
# Once more after the hooks of plugins, of which some give the job another DOCKER_CONFIG.
extend_hooks pre-command ||
    say "warning: jobs whose plugins give them another DOCKER_CONFIG do not find the builder (see above)"
