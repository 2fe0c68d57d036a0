#!/bin/sh
# On a machine booted from the image: the build as a job, first from the checkout of the bake, then
# from one as an agent makes it, of the same commit; and, where arguments have the commit, from one
# of another commit. Prints the steps of each build as rawjson, and behind them
#   ended NAME EXIT-CODE
# and at last the umask of jobs.
. ./lib.sh
. ./warm.sh

# What comes out of the cache comes within seconds: a step that runs needs not end.
# shellcheck disable=SC2034 # of warm.sh
WARM_SECONDS=$CHECKOUT_SECONDS

build_and_report() { # NAME
    code=0
    run_warm_build as_job ask warm.rawjson >warm.out 2>&1 || code=$(cat warm.exit-code)
    select_steps <warm.rawjson || true
    echo "ended $1 $code"
}

# An agent clones, or updates a clone, whenever it likes: no time is the same, and .git has what was
# fetched, from where, and when. Modes follow from its umask, as git checks out
# (https://git-scm.com/docs/git-config#Documentation/git-config.txt-coresharedRepository).
change_checkout() { # UMASK
    # It belongs to the agent's user. BuildKit's client sends no owners.
    chown -hR "$(as_job id -u)" "$CONTEXT"
    find "$CONTEXT" -path "$CONTEXT/.git" -prune -o -exec touch -h {} +
    find "$CONTEXT" -path "$CONTEXT/.git" -prune -o -type f -perm /100 \
        -exec chmod "$(printf '%o' $((0777 & ~$1)))" {} +
    find "$CONTEXT" -path "$CONTEXT/.git" -prune -o -type f ! -perm /100 \
        -exec chmod "$(printf '%o' $((0666 & ~$1)))" {} +
    find "$CONTEXT" -mindepth 1 -path "$CONTEXT/.git" -prune -o -type d \
        -exec chmod "$(printf '%o' $((0777 & ~$1)))" {} +
    [ -d "$CONTEXT/.git" ] || return 0
    # A submodule's is in .git/modules.
    find "$CONTEXT/.git" -name config -type f | while IFS= read -r config; do
        repository=${config%/config}
        mkdir -p "$repository/logs"
        date +%s%N | tee "$repository/FETCH_HEAD" >"$repository/logs/HEAD"
        printf '[remote "origin"]\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n' >>"$config"
    done
}

prepare_warm_build as_job
build_and_report same
umask_of_jobs=$(as_job sh -c umask)
change_checkout "$umask_of_jobs"
build_and_report checkout
if grep -q CONTEXT_COMMIT warm-arguments.sh warm-variables.sh; then
    # shellcheck disable=SC2034 # of these two
    CONTEXT_COMMIT=0123456789abcdef0123456789abcdef01234567
    build_and_report commit
fi
echo "$umask_of_jobs"
