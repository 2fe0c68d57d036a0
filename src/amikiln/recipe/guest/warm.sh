# shellcheck shell=sh
# The warm build. Sourced after lib.sh, by 50-warm at the bake and by check-warm on the machine
# that is verified: both do the very same.

SHOWN_LINES=60
LOG_CHUNKS=400 # BuildKit sends a step's output in pieces of a few lines

# Builds once, as the user that runs jobs. What BuildKit says of it is kept as it is, in a file,
# and told in words.
warm_build() ( # FILE
    file=$1
    # shellcheck source=/dev/null
    . ./warm-arguments.sh
    set -- docker buildx bake --builder "$BUILDER" --progress rawjson "$@"
    # shellcheck source=/dev/null
    . ./warm-variables.sh
    [ ! -d "$SECRETS" ] || chown -R "$BUILDER_OWNER" "$SECRETS"
    {
        code=0
        as_owner env -C "$CONTEXT" "$@" 2>&1 || code=$?
        echo "$code" >warm.exit-code
    } | awk_at_once -f warm-lines.awk | tee "$file" | awk_at_once -f warm-progress.awk
    [ "$(cat warm.exit-code)" = 0 ] || {
        failed_steps_said "$file"
        return 1
    }
)

# mawk waits for a full buffer of input unless it is told not to; others do not know the option.
awk_at_once() {
    case $(awk -W version 2>&1 </dev/null) in
    mawk*) awk -W interactive "$@" ;;
    *) awk "$@" ;;
    esac
}

# Prints the last lines that the failed steps of a build wrote.
failed_steps_said() { # FILE
    awk -f warm-failure.awk "$1" "$1" | tail -n "$LOG_CHUNKS" |
        while read -r encoded; do printf '%s' "$encoded" | base64 -d; done |
        tail -n "$SHOWN_LINES"
}

# Keeps what tells of the steps, and nothing that they wrote: it may hold what is nobody's business.
only_steps() { grep '"vertexes":\[' | sed -E 's/,"(statuses|logs|warnings)":\[.*$/}/'; }
