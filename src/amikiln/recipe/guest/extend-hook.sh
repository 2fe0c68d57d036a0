# shellcheck shell=sh
# Extends the agent's hooks, so that they give each job the builder. Sourced after lib.sh.
. ./hooks.sh

GIVE_BUILDER=$RECORDS/jobs/give-builder
BLOCK_BEGINS='# >>> amikiln: the bake added this, up to <<<'
BLOCK_ENDS='# <<< amikiln'

# Prints what is put before a hook's own lines. It runs them in between, by sourcing its own file once
# more: so they may return early, and what is appended to them later is among them. Where they exit,
# the agent takes nothing that they exported, and what was given before them counts.
print_block() { # HOOK
    before=$GIVE_BUILDER
    after="$GIVE_BUILDER since \"\$amikiln_began\""
    [ "${1##*/}" = environment ] || before="$GIVE_BUILDER late" after="$GIVE_BUILDER late"
    cat <<BLOCK
$BLOCK_BEGINS
if [ "\${amikiln_hook:-}" != inside ]; then
    amikiln_hook=inside
    amikiln_began=\$(date +%s)
    $before || :
    . "\${BASH_SOURCE:-$1}"
    amikiln_hook=\$?
    $after || :
BLOCK
    if [ "$BUILDX_BUILDER_VARIABLE" = true ]; then
        echo "    export BUILDX_BUILDER=\"\${BUILDX_BUILDER:-$BUILDER}\""
    fi
    cat <<BLOCK
    eval "unset amikiln_hook amikiln_began; return \$amikiln_hook 2>/dev/null || exit \$amikiln_hook"
fi
unset amikiln_hook
$BLOCK_ENDS
BLOCK
}

# Says why a hook cannot be extended; nothing if it can.
find_hook_fault() { # HOOK
    if [ ! -f "$1" ]; then
        echo "$1 is no file, or leads nowhere on this machine"
    elif [ "${1%.ps1}" != "$1" ] || ! read_hook_shell "$1" >/dev/null; then
        echo "$1 is not written in shell"
    elif [ "$(grep -cxF "$BLOCK_BEGINS" "$1")" != "$(grep -cxF "$BLOCK_ENDS" "$1")" ]; then
        echo "$1 has half of what an earlier bake added"
    fi
}

# Puts the block into a hook, whose file stays the same one: its owner, mode, links and other lines.
extend_hook() { # HOOK
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
make_hook() { # HOOK
    mkdir -p "${1%/*}"
    shell=$(command -v bash || echo /bin/sh)
    { printf '#!%s\n' "$shell" && print_block "$1"; } >hook.new
    install -m 0755 hook.new "$1"
    chown --reference "${1%/*}" "$1"
    say "$1 made: it gives jobs the builder"
}

# Extends the hook of a name in each of the agent's folders that has it; if none has, makes it in the
# first one. Prints the fault of one that cannot be extended, and fails.
extend_hooks() { # NAME
    found=no
    while IFS= read -r folder; do
        hook=$folder/$1
        # The agent takes this one where there is none without an ending.
        if [ ! -e "$hook" ] && [ -e "$hook.ps1" ]; then hook=$hook.ps1; fi
        [ -e "$hook" ] || [ -L "$hook" ] || continue
        found=yes
        fault=$(find_hook_fault "$hook")
        if [ -n "$fault" ]; then
            say "$fault"
            return 1
        fi
        extend_hook "$hook"
    done <hook-folders.list
    [ "$found" = yes ] || make_hook "$(head -n 1 hook-folders.list)/$1"
}
