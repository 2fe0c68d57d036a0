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

# shellcheck disable=SC2016 # expanded in there
in_agent_unit /bin/sh -c '. "$1"; list_hook_folders' sh "$PWD/hooks.sh" >hook-folders.list ||
    die "nothing runs in what the agent's unit gives its jobs; the line above says why"
if [ ! -s hook-folders.list ]; then
    say "warning: the agent's configuration has no hooks-path, so its jobs run no hook of the machine's"
    echo "$HOOKS_WITHOUT_CONFIGURATION" >hook-folders.list
fi
extended=0
while IFS= read -r folder; do
    if [ -e "$folder/environment" ] || [ -L "$folder/environment" ]; then
        extend_hook "$folder/environment"
        extended=$((extended + 1))
    fi
done <hook-folders.list
if [ "$extended" = 0 ]; then
    make_hook "$(head -n 1 hook-folders.list)"
fi
