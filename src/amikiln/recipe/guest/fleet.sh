#!/bin/sh
# What a machine of the fleet runs at boot, and what an Elastic CI Stack starts there.
# https://github.com/buildkite/elastic-ci-stack-for-aws (templates/aws-stack.yml, UserData)
# In the recipe's folder, its words are:
#   boot SECONDS PROGRAM [NAME=VALUE...]  runs a boot script as cloud-init does. Prints
#       "absent", or "exit CODE" (124: it was stopped after SECONDS) and then what it wrote.
#   programs NAME...  prints for each program, one a line: NAME<tab>STATE<tab>PATH
#   units NAME...     prints for each unit, one a line: NAME<tab>STATE<tab>USER
set -eu

SHOWN_LINES=60
# Every release since v5.0.0 has its own scripts in the first and the agent's programs in the second.
PLACES='/usr/local/bin /usr/bin /usr/local/sbin /usr/sbin'
# The stack's scripts write to this file and to the console, not to their output.
BOOT_LOG=${BOOT_LOG:-/var/log/elastic-stack.log}

find_program() { # NAME
    for place in $PLACES; do
        if [ -e "$place/$1" ] || [ -L "$place/$1" ]; then
            printf '%s\n' "$place/$1"
            return
        fi
    done
}

boot() { # SECONDS NAME [NAME=VALUE...]
    seconds=$1 program=$(find_program "$2")
    shift 2
    [ -n "$program" ] || {
        echo absent
        return
    }
    written=$(wc -c 2>/dev/null <"$BOOT_LOG" || echo 0)
    code=0
    # Nothing of a login's environment, no terminal, and the folder that cloud-init is in.
    timeout --kill-after=10 "$seconds" env -i -C / \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@" \
        "$program" </dev/null >boot.out 2>&1 || code=$?
    echo "exit $code"
    { cat boot.out && { tail -c "+$((written + 1))" "$BOOT_LOG" 2>/dev/null || true; }; } |
        tail -n "$SHOWN_LINES"
}

show_program() { # NAME
    path=$(find_program "$1")
    if [ -z "$path" ]; then
        state=missing
    elif [ ! -s "$path" ]; then
        state=empty
    elif [ ! -f "$path" ] || [ ! -x "$path" ]; then
        state='not executable'
    else
        state=there
    fi
    printf '%s\t%s\t%s\n' "$1" "$state" "$path"
}

show_unit() { # NAME
    state=$(systemctl show --property=LoadState --value "$1")
    user=$(systemctl show --property=User --value "$1")
    printf '%s\t%s\t%s\n' "$1" "$state" "$user"
}

command=$1
shift
case $command in
boot) boot "$@" ;;
programs) for name; do show_program "$name"; done ;;
units) for name; do show_unit "$name"; done ;;
esac
