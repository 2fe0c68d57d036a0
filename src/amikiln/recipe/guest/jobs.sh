# shellcheck shell=sh
# Commands as the CI's jobs run them. Sourced by lib.sh.

JOB_UNITS=amikiln-job-

# Prints the unit of the agent, one instance of it if it is a template; nothing where there is none.
# Looks for the file itself: list-unit-files reads all units of the machine, for a quarter of a second.
find_agent_unit() {
    # The first folder that has a unit decides; one that is masked is empty, or a link to /dev/null.
    systemctl show --property=UnitPath --value | tr ' ' '\n' | while IFS= read -r folder; do
        for file in "$folder"/buildkite-agent*.service; do
            if [ -s "$file" ]; then echo "${file##*/} there"; else echo "${file##*/} masked"; fi
        done
    done |
        awk '!seen[$1]++ && $1 !~ /\*/ && $2 == "there" { print $1 }' | sort |
        sed 's/@\.service$/@1.service/' |
        awk '{ all[NR] = $1 } $1 == "buildkite-agent.service" { exact = $1 }
            END { if (exact) print exact; else if (NR) print all[1] }'
}

# Prints of unit files what their processes see and may do, as one drop-in: everything of [Service]
# but what is started, when, and where it writes to. Specifiers that name the unit keep their meaning.
print_job_settings() { # UNIT FILE...
    unit=$1
    shift
    name=${unit%.service}
    instance=''
    case $name in *@*) instance=${name#*@} ;; esac
    echo '[Service]'
    awk '
        FNR == 1 { section = ""; held = "" }
        { line = held $0; held = "" }
        line ~ /\\$/ { held = substr(line, 1, length(line) - 1) " "; next }
        line ~ /^[[:space:]]*\[/ { section = line; next }
        section !~ /\[Service\]/ || line !~ /^[[:space:]]*[A-Za-z]+[[:space:]]*=/ { next }
        line ~ /^[[:space:]]*(Exec|Restart|Timeout|StartLimit|Standard|TTY|Kill|FinalKill|SendSIG|FileDescriptor)/ { next }
        line ~ /^[[:space:]]*(Type|WatchdogSec|RuntimeMaxSec|SuccessExitStatus|PIDFile|BusName|NotifyAccess)[[:space:]]*=/ { next }
        line ~ /^[[:space:]]*(RemainAfterExit|GuessMainPID|Sockets|OOMPolicy|RuntimeDirectoryPreserve|RootDirectoryStartOnly)[[:space:]]*=/ { next }
        { print line }' "$@" |
        sed -e 's/%%/\a/g' -e "s/%n/$unit/g; s/%N/$name/g; s/%p/${name%%@*}/g; s/%[iI]/$instance/g" \
            -e 's/\a/%%/g'
    # An agent that runs keeps its own.
    echo 'RuntimeDirectoryPreserve=yes'
}

# Gives systemd's units of jobs what the agent's unit has. Several may come at once: each goes on when
# the settings are in effect, whoever wrote them.
place_job_settings() ( # UNIT, or nothing where there is no agent
    exec 6>>job-settings.lock
    flock 6
    folder=/run/systemd/system/$JOB_UNITS.service.d
    wanted=$(mktemp ./job-settings.XXXXXX)
    if [ -n "$1" ]; then
        # shellcheck disable=SC2046 # systemd's paths of unit files have no blanks
        print_job_settings "$1" $(systemctl show --property=FragmentPath --property=DropInPaths \
            --value "$1") >"$wanted"
    else
        printf '[Service]\nUser=%s\nWorkingDirectory=~\n' "$BUILDER_OWNER" >"$wanted"
    fi
    # The build's context is there for the job, too.
    if grep -qE '^[[:space:]]*PrivateTmp[[:space:]]*=[[:space:]]*(yes|true|on|1|disconnected)' "$wanted"; then
        printf 'BindPaths=-%s\n' "$CONTEXT" >>"$wanted"
    fi
    mkdir -p "$folder"
    if cmp -s "$wanted" "$folder/agent.conf"; then
        rm "$wanted"
    else
        mv "$wanted" "$folder/agent.conf"
        systemctl daemon-reload
    fi
)

# Runs a command with the user, groups, environment, limits, directories and control group that the
# agent's unit gives; where there is no agent, as the builder's owner. Nothing of root's is passed on.
in_agent_unit() {
    unit=$(find_agent_unit)
    place_job_settings "$unit"
    command_line=''
    if [ -n "$unit" ]; then
        command_line=$(systemctl show --property=ExecStart --value "$unit" |
            sed -n 's/.*argv\[\]=\(.*\) ; ignore_errors=.*/\1/p' | head -n 1)
    fi
    systemd-run --quiet --pipe --wait --collect --unit="$JOB_UNITS$(date +%s%N).service" \
        --setenv=AGENT_COMMAND_LINE="$command_line" \
        --setenv=JOB_WITH="${JOB_WITH:-}" "$@"
}

# Runs a command as the agent runs that of a job: in_agent_unit, with a Docker configuration of its
# own that is empty, and what the environment and pre-command hooks export. Its stdout is the command's
# alone. JOB_WITH=home-folder: with the user's own Docker configuration, unless a hook gives another.
# JOB_WITH=plugin: with a plugin whose hook gives another one.
as_job() {
    in_agent_unit /bin/sh "$PWD/job.sh" "$@"
}
