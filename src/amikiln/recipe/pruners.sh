#!/bin/sh
# Prints what runs by itself on this machine and prunes images or build cache: timers and cron
# files, a line each, NAME<TAB>FILE, where FILE is what holds the command.

# Tells whether what is read has a command that prunes, comments apart.
prunes() {
    grep -v '^[[:space:]]*#' |
        grep -qE '(docker|buildx|buildctl|podman|nerdctl)[^#]*[[:space:]]prune'
}

# What a command line starts is a program, or a script that says it.
tell() { # NAME COMMAND-LINE
    if printf '%s\n' "$2" | prunes; then printf '%s\t%s\n' "$1" "$1"; fi
    set -f
    for word in $2; do
        case $word in /*) ;; *) continue ;; esac
        if [ -f "$word" ] && [ "$(head -c 2 "$word" | tr -d '\0')" = '#!' ] && prunes <"$word"; then
            printf '%s\t%s\n' "$1" "$word"
        fi
    done
    set +f
}

timers() {
    systemctl list-units --type=timer --plain --no-legend | while read -r timer _; do
        unit=$(systemctl show --property=Unit --value "$timer" </dev/null)
        [ -n "$unit" ] || continue
        # { path=/usr/bin/x ; argv[]=/usr/bin/x --all ; ... }
        line=$(systemctl show --property=ExecStart --value "$unit" </dev/null | tr ';={}' '    ')
        tell "$timer" "$line"
    done
}

cron_files() {
    for file in /etc/crontab /etc/cron.*/* /var/spool/cron/* /var/spool/cron/crontabs/*; do
        [ -f "$file" ] || continue
        tell "$file" "$file $(grep -v '^[[:space:]]*#' "$file")"
    done
}

{
    timers
    cron_files
} | sort -u
