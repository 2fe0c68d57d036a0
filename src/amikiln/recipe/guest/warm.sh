# shellcheck shell=sh
# The warm build. Sourced after lib.sh, by 50-warm at the bake and by check-warm on the machine
# that is verified, so that both do the same.

SHOWN_LINES=60
LOG_CHUNKS=400 # BuildKit sends a step's output in pieces of a few lines

# Builds once, as_owner or as_job. BuildKit's log goes to FILE as it is, and its steps are printed.
run_warm_build() ( # FILE as_owner_with_logins|as_job
    file=$1
    way=$2
    # shellcheck source=/dev/null
    . ./warm-arguments.sh
    set -- docker buildx bake --builder "$BUILDER" --progress rawjson "$@"
    # shellcheck source=/dev/null
    . ./warm-variables.sh
    [ ! -d "$SECRETS" ] || chown -R "$("$way" id -u)" "$SECRETS"
    {
        code=0
        # shellcheck disable=SC2154 # WARM_SECONDS comes from values.env
        "$way" timeout "$WARM_SECONDS" env -C "$CONTEXT" "$@" 2>&1 || code=$?
        echo "$code" >warm.exit-code
    } | unbuffered_awk -f warm-lines.awk | tee "$file" | unbuffered_awk -f warm-progress.awk
    [ "$(cat warm.exit-code)" != 124 ] ||
        say "stopped: a build may take $WARM_SECONDS s (deadlines.build_seconds)" >&2
    [ "$(cat warm.exit-code)" = 0 ] || {
        print_failed_steps "$file"
        return 1
    }
)

# mawk waits for a full buffer of input without this option; others do not know it.
unbuffered_awk() {
    case $(awk -W version 2>&1 </dev/null) in
    mawk*) awk -W interactive "$@" ;;
    *) awk "$@" ;;
    esac
}

# Prints the last lines that the failed steps of a build wrote.
print_failed_steps() { # FILE
    awk -f warm-failure.awk "$1" "$1" | tail -n "$LOG_CHUNKS" |
        while read -r encoded; do printf '%s' "$encoded" | base64 -d; done |
        tail -n "$SHOWN_LINES"
}

# Leaves only the reports of steps, without their output, which may hold anything.
select_steps() { grep '"vertexes":\[' | sed -E 's/,"(statuses|logs|warnings)":\[.*$/}/'; }
