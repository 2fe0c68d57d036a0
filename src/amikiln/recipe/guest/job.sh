#!/bin/sh
# Runs a command as a job of the agent: job.sh COMMAND..., in what the agent's unit gives (as_job).
# As the agent's bootstrap does, each hook is sourced in a shell of its own kind, and what it exported
# counts for what follows; one that exits early with 0 changes nothing, any other code ends the job.
# https://github.com/buildkite/agent/blob/main/internal/job/hook/wrapper.go
set -u
# shellcheck source=src/amikiln/recipe/guest/hooks.sh
here=${0%/*}
. "$here/hooks.sh"

agent=amikiln-$$
build_path=$(read_agent_setting build-path)
build_path=${build_path:-${HOME:-/root}/builds}
checkout=$build_path/$agent/amikiln/verify
scratch=$(mktemp -d) || exit
trap 'rm -rf "$scratch" "$build_path/$agent"' EXIT

quote() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }

list_hook_folders >"$scratch/folders"
list_hooks() { # NAME
    while IFS= read -r folder; do
        [ ! -f "$folder/$1" ] || printf '%s\n' "$folder/$1"
    done <"$scratch/folders"
}
{
    list_hooks environment
    [ "${JOB_WITH:-}" != plugin ] || printf '%s\n' "$here/plugin-hook.sh"
    list_hooks pre-command
} >"$scratch/hooks"
unset AGENT_COMMAND_LINE

hooks_path=$(head -n 1 "$scratch/folders")
# Of what the agent gives each job, what hooks rely on.
export BUILDKITE=true CI=true BUILDKITE_JOB_ID="$agent" BUILDKITE_AGENT_NAME="$agent" \
    BUILDKITE_ORGANIZATION_SLUG=amikiln BUILDKITE_PIPELINE_SLUG=verify BUILDKITE_BUILD_NUMBER=1 \
    BUILDKITE_BUILD_ID="$agent" BUILDKITE_REPO=https://example.com/verify.git BUILDKITE_BRANCH=main \
    BUILDKITE_COMMIT=HEAD BUILDKITE_TAG='' BUILDKITE_PULL_REQUEST=false BUILDKITE_SOURCE=api \
    BUILDKITE_LABEL=verify BUILDKITE_STEP_KEY=verify BUILDKITE_RETRY_COUNT=0 BUILDKITE_TIMEOUT=false \
    BUILDKITE_COMMAND="$*" BUILDKITE_PLUGINS='[]' BUILDKITE_BUILD_PATH="$build_path" \
    BUILDKITE_BUILD_CHECKOUT_PATH="$checkout" BUILDKITE_HOOKS_PATH="$hooks_path"
if [ "${JOB_WITH:-}" != home-folder ]; then
    mkdir "$scratch/docker"
    export DOCKER_CONFIG="$scratch/docker"
fi
unset JOB_WITH

# Each stage is a script that runs one hook and then the next stage, with what the hook exported. The
# last one is the command; they are written from there on.
{
    printf 'mkdir -p %s && cd %s || exit\nexec' "$(quote "$checkout")" "$(quote "$checkout")"
    for word; do printf ' %s' "$(quote "$word")"; done
    echo
} >"$scratch/stage.0"
sed '1!G;h;$!d' "$scratch/hooks" >"$scratch/last-hook-first"
stage=0
while IFS= read -r hook; do
    next=$(quote "$scratch/stage.$stage")
    code_file=$(quote "$scratch/code.$stage")
    stage=$((stage + 1))
    wrapper=$(quote "$scratch/wrapper.$stage")
    exported=$(quote "$scratch/exported.$stage")
    if first=$(read_hook_shell "$hook"); then
        cat >"$scratch/wrapper.$stage" <<WRAPPER
$first
. $(quote "$hook") >&2
amikiln_status=\$?
env -0 -u amikiln_status >$exported
exit \$amikiln_status
WRAPPER
    elif [ "${hook##*/}" = environment ]; then
        echo "the agent's hook $hook is no shell script: what it gives to jobs is not known" >&2
        exit 1
    else
        printf '#!/bin/sh\nexec %s >&2\n' "$(quote "$hook")" >"$scratch/wrapper.$stage"
    fi
    cat >"$scratch/stage.$stage" <<STAGE
code=0
$wrapper || code=\$?
if [ \$code != 0 ]; then
    echo "the agent's hook" $(quote "$hook") "failed with exit code \$code, and with it each job" >&2
    exit \$code
fi
[ -s $exported ] || exec /bin/sh $next
printf '%s\0' /bin/sh -c '/bin/sh "\$1"; echo \$? >"\$2"' sh $next $code_file >>$exported
xargs -0 -x -a $exported env -i
exit "\$(cat $code_file)"
STAGE
    chmod 700 "$scratch/wrapper.$stage"
done <"$scratch/last-hook-first"
/bin/sh "$scratch/stage.$stage"
