#!/bin/sh
# Prints what runs by itself on this machine and prunes images or build cache: timers and cron
# files, a line each, NAME<TAB>FILE, where FILE is what holds the command.

PRUNE='(docker|buildx|buildctl|podman|nerdctl)[^#]*[[:space:]]prune'

# What a command line starts is a program, or a script that says it.
tell() { # NAME COMMAND-LINE
    name=$1
    if printf '%s\n' "$2" | grep -qE "$PRUNE"; then printf '%s\t%s\n' "$name" "$name"; fi
    for word in $2; do
        case $word in /*) ;; *) continue ;; esac
        if [ -f "$word" ] && [ "$(head -c 2 "$word" | tr -d '\0')" = '#!' ] &&
            grep -qE "$PRUNE" "$word"; then
            printf '%s\t%s\n' "$name" "$word"
        fi
    done
}

for timer in $(systemctl list-units --type=timer --plain --no-legend | cut -d' ' -f1); do
    unit=$(systemctl show --property=Unit --value "$timer")
    [ -n "$unit" ] || continue
    # { path=/usr/bin/x ; argv[]=/usr/bin/x --all ; ... }
    set -f
    tell "$timer" "$(systemctl show --property=ExecStart --value "$unit" | tr ';={}' '    ')"
    set +f
done

for file in /etc/crontab /etc/cron.*/* /var/spool/cron/* /var/spool/cron/crontabs/*; do
    [ -f "$file" ] || continue
    if grep -qE "$PRUNE" "$file"; then
        printf '%s\t%s\n' "$file" "$file"
    else
        set -f
        tell "$file" "$(grep -v '^[[:space:]]*#' "$file")"
        set +f
    fi
done
