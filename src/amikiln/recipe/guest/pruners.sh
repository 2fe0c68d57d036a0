#!/bin/sh
# Prints what runs by itself on this machine and prunes images or build cache: timers and cron
# files, a line each, WHEN<TAB>NAME<TAB>FILE, where FILE is what holds the command, and WHEN is
# "low-disk" if that looks at the free space first as the Elastic CI Stack does, else "always".

code() { grep -v '^[[:space:]]*#' || true; }
prunes() {
    code | grep -qE '((docker|podman|nerdctl)[^#]*[[:space:]](image|builder|buildx|system)|buildctl[^#]*)[[:space:]]+prune'
}

# What a command line starts is a program, or a script that says it.
tell() { # NAME COMMAND-LINE
    if printf '%s\n' "$2" | prunes; then printf 'always\t%s\t%s\n' "$1" "$1"; fi
    set -f
    for word in $2; do
        case $word in /*) ;; *) continue ;; esac
        if [ -f "$word" ] && [ "$(head -c 2 "$word" | tr -d '\0')" = '#!' ] && prunes <"$word"; then
            when=always
            if code <"$word" | grep -q bk-check-disk-space; then when=low-disk; fi
            printf '%s\t%s\t%s\n' "$when" "$1" "$word"
        fi
    done
    set +f
}

# What cannot be asked ends this script: nothing found has to mean that there is nothing.
: >pruners.list
systemctl list-units --type=timer --all --plain --no-legend >timers.list
while read -r timer _; do
    unit=$(systemctl show --property=Unit --value "$timer" </dev/null)
    [ -n "$unit" ] || continue
    # { path=/usr/bin/x ; argv[]=/usr/bin/x --all ; ... }
    line=$(systemctl show --property=ExecStart --value "$unit" </dev/null)
    tell "$timer" "$(printf '%s' "$line" | tr ';={}' '    ')" >>pruners.list
done <timers.list

for file in /etc/crontab /etc/cron.*/* /var/spool/cron/* /var/spool/cron/crontabs/*; do
    [ -f "$file" ] || continue
    tell "$file" "$file $(code <"$file")" >>pruners.list
done
sort -u pruners.list
