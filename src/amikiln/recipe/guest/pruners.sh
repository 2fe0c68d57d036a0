#!/bin/sh
# Prints the timers and cron files of this machine that prune images or build cache, one a line:
# WHEN<TAB>NAME<TAB>FILE, where FILE has the command, and WHEN is "low-disk" if that looks at the
# free space first as the Elastic CI Stack does, else "always".

strip_comments() { grep -v '^[[:space:]]*#' || true; }
prunes() {
    strip_comments | grep -qE '((docker|podman|nerdctl)[^#]*[[:space:]](image|builder|buildx|system)|buildctl[^#]*)[[:space:]]+prune'
}

# Prints what in a command line prunes: the command itself, or a script that it runs.
print_pruners() { # NAME COMMAND-LINE
    if printf '%s\n' "$2" | prunes; then printf 'always\t%s\t%s\n' "$1" "$1"; fi
    set -f
    for word in $2; do
        case $word in /*) ;; *) continue ;; esac
        if [ -f "$word" ] && [ "$(head -c 2 "$word" | tr -d '\0')" = '#!' ] && prunes <"$word"; then
            when=always
            if strip_comments <"$word" | grep -q bk-check-disk-space; then when=low-disk; fi
            printf '%s\t%s\t%s\n' "$when" "$1" "$word"
        fi
    done
    set +f
}

# Any failure ends this script: no output has to mean that nothing prunes.
: >pruners.list
systemctl list-units --type=timer --all --plain --no-legend >timers.list
while read -r timer _; do
    unit=$(systemctl show --property=Unit --value "$timer" </dev/null)
    [ -n "$unit" ] || continue
    # { path=/usr/bin/x ; argv[]=/usr/bin/x --all ; ... }
    line=$(systemctl show --property=ExecStart --value "$unit" </dev/null)
    print_pruners "$timer" "$(printf '%s' "$line" | tr ';={}' '    ')" >>pruners.list
done <timers.list

for file in /etc/crontab /etc/cron.*/* /var/spool/cron/* /var/spool/cron/crontabs/*; do
    [ -f "$file" ] || continue
    print_pruners "$file" "$file $(strip_comments <"$file")" >>pruners.list
done
sort -u pruners.list
