# shellcheck shell=sh
# Extends the agent's environment hook. Sourced after lib.sh.
. ./hooks.sh

GIVE_BUILDER=$RECORDS/jobs/give-builder
BLOCK_BEGINS='# >>> amikiln: the bake added this, up to <<<'
BLOCK_ENDS='# <<< amikiln'

# Prints what is put before a hook's own lines. It runs them in between, by sourcing its own file once
# more: so they may return early, and what is appended to them later is among them. Where they exit,
# the agent takes nothing that they exported, and what was given before them counts.
print_block() { # HOOK
    cat <<BLOCK
$BLOCK_BEGINS
if [ "\${amikiln_hook:-}" != inside ]; then
    amikiln_hook=inside
    $GIVE_BUILDER || :
    . "\${BASH_SOURCE:-$1}"
    amikiln_hook=\$?
    $GIVE_BUILDER || :
BLOCK
    if [ "$BUILDX_BUILDER_VARIABLE" = true ]; then
        echo "    export BUILDX_BUILDER=\"\${BUILDX_BUILDER:-$BUILDER}\""
    fi
    cat <<BLOCK
    eval "unset amikiln_hook; return \$amikiln_hook 2>/dev/null || exit \$amikiln_hook"
fi
unset amikiln_hook
$BLOCK_ENDS
BLOCK
}

# Puts the block into a hook, whose file stays the same one: its owner, mode, links and other lines.
extend_hook() { # HOOK
    [ -f "$1" ] || die "$1 is no file, or leads nowhere on this machine: amikiln cannot add to it what" \
        "leads jobs to the builder. Make it a shell script before the bake ends, in a step of your own"
    read_hook_shell "$1" >/dev/null || die "$1 is not written in shell: amikiln cannot add to it what" \
        "leads jobs to the builder. Let a shell script of that name call it, in a step of your own"
    grep -qxF "$BLOCK_BEGINS" "$1" && begins=yes || begins=no
    grep -qxF "$BLOCK_ENDS" "$1" && ends=yes || ends=no
    [ "$begins" = "$ends" ] || die "$1 has half of what an earlier bake added: remove the rest of it"
    awk -v begins="$BLOCK_BEGINS" -v ends="$BLOCK_ENDS" '
        $0 == begins { inside = 1 }
        !inside { print }
        $0 == ends { inside = 0 }' "$1" >hook.own
    {
        if head -n 1 hook.own | grep -q '^#!'; then head -n 1 hook.own; fi
        print_block "$1"
        if head -n 1 hook.own | grep -q '^#!'; then tail -n +2 hook.own; else cat hook.own; fi
    } >hook.new
    if cmp -s hook.new "$1"; then
        say "$1 gives jobs the builder already"
    else
        cat hook.new >"$1"
        say "$1 gives jobs the builder, and does what it did"
    fi
}

# Makes a hook where there is none, for the agent that is there or comes.
make_hook() { # FOLDER
    [ ! -e "$1/environment.ps1" ] || die "$1/environment.ps1 is not written in shell: amikiln cannot" \
        "add to it what leads jobs to the builder. Let a shell script named environment call it"
    mkdir -p "$1"
    shell=$(command -v bash || echo /bin/sh)
    { printf '#!%s\n' "$shell" && print_block "$1/environment"; } >hook.new
    install -m 0755 hook.new "$1/environment"
    chown --reference "$1" "$1/environment"
    say "$1/environment made: it gives jobs the builder"
}
