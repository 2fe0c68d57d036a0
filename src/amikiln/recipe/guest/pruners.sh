#!/bin/sh
# Prints what prunes images or build cache by itself on this machine, one a line: timers, services that
# start at boot, cron files, and the agent's hooks that run with each job:
# WHEN<TAB>NAME<TAB>FILE, where FILE has the command, and WHEN is "low-disk" if that looks at the
# free space first as the Elastic CI Stack does, else "always".

strip_comments() { grep -v '^[[:space:]]*#' || true; }
prunes() {
    strip_comments | grep -qE '((docker|podman|nerdctl)[^#]*[[:space:]](image|builder|buildx|system|volume)|buildctl[^#]*)[[:space:]]+prune'
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
# An enabled timer that nothing has started yet is there after the next boot.
systemctl list-units --type=timer --all --plain --no-legend >timers.list
# Without --state: systemctl exits with 1 where it finds none. Once for both: it reads all units' files.
systemctl list-unit-files --type=timer,service --plain --no-legend >files.list
awk '$1 ~ /\.timer$/ && $2 ~ /^enabled/' files.list >>timers.list
while read -r timer _; do
    unit=$(systemctl show --property=Unit --value "$timer" </dev/null)
    [ -n "$unit" ] || continue
    # { path=/usr/bin/x ; argv[]=/usr/bin/x --all ; ... }
    line=$(systemctl show --property=ExecStart --value "$unit" </dev/null)
    print_pruners "$timer" "$(printf '%s' "$line" | tr ';={}' '    ')" >>pruners.list
done <timers.list

# One without a name is a template, which has no command of its own.
awk '$1 ~ /\.service$/ && $1 !~ /@\.service$/ && $2 == "enabled" { print $1 }' files.list >enabled.list
if [ -s enabled.list ]; then
    # One call for all: each one's properties in whatever order, and an empty line between them.
    xargs systemctl show --property=Id,ExecStartPre,ExecStart,ExecStartPost <enabled.list >shown.list ||
        exit 1
    awk '
        function end() { if (commands) print name "\t" commands; name = commands = "" }
        /^Id=/ { name = substr($0, 4) }
        /^Exec/ { commands = commands " " substr($0, index($0, "=") + 1) }
        /^$/ { end() }
        END { end() }' shown.list | tr ';={}' '    ' >commands.list
    while IFS="$(printf '\t')" read -r name line; do
        print_pruners "$name" "$line" >>pruners.list
    done <commands.list
fi

for file in /etc/crontab /etc/anacrontab /etc/cron.*/* /var/spool/cron/* /var/spool/cron/crontabs/*; do
    [ -f "$file" ] || continue
    print_pruners "$file" "$file $(strip_comments <"$file")" >>pruners.list
done
for file in /etc/buildkite-agent/hooks/* /var/lib/cloud/scripts/per-boot/* /etc/rc.local /etc/rc.d/rc.local; do
    [ -f "$file" ] || continue
    print_pruners "$file" "$file" >>pruners.list
done
sort -u pruners.list
