# shellcheck shell=sh
# The agent's hooks. Sourced where the environment is the one that the agent's unit gives
# (jobs.sh), with the unit's own command line in AGENT_COMMAND_LINE.

HOOKS_WITHOUT_CONFIGURATION=/etc/buildkite-agent/hooks

# Prints the value of an option on the agent's command line.
read_agent_option() { # NAME
    printf '%s\n' "${AGENT_COMMAND_LINE:-}" | tr ' ' '\n' |
        awk -v name="--$1" '
            $0 == name { wanted = 1; next }
            wanted { print; exit }
            index($0, name "=") == 1 { print substr($0, length(name) + 2); exit }'
}

# Prints the agent's configuration file, where there is one.
find_agent_configuration() {
    given=$(read_agent_option config)
    for file in "${given:-${BUILDKITE_AGENT_CONFIG:-}}" "${HOME:-/root}/.buildkite-agent/buildkite-agent.cfg" \
        /etc/buildkite-agent/buildkite-agent.cfg; do
        if [ -n "$file" ] && [ -f "$file" ]; then
            printf '%s\n' "$file"
            return
        fi
    done
}

# Prints a setting as the agent finds it: its command line's, the environment's, or the file's.
# https://buildkite.com/docs/agent/v3/configuration
read_agent_setting() { # NAME
    value=$(read_agent_option "$1")
    if [ -z "$value" ]; then
        variable=BUILDKITE_$(printf '%s' "$1" | tr 'a-z-' 'A-Z_')
        value=$(printenv "$variable" || true)
    fi
    if [ -z "$value" ]; then
        file=$(find_agent_configuration)
        [ -z "$file" ] || value=$(
            sed -n "s/^[[:space:]]*\(export[[:space:]]*\)\{0,1\}$1[[:space:]]*[=:][[:space:]]*//p" "$file" |
                tail -n 1 | sed -e 's/^"\([^"]*\)".*/\1/' -e t -e "s/^'\([^']*\)'.*/\1/" -e t \
                -e 's/[[:space:]]*\(#.*\)\{0,1\}$//'
        )
    fi
    [ -z "$value" ] || printf '%s\n' "$value" | sed -e "s#^~/#${HOME:-/root}/#" -e "s#\${\{0,1\}HOME}\{0,1\}#${HOME:-/root}#g"
}

# Prints the folders that the agent looks for hooks in, in its order. One without a configuration
# gets it at boot, as the Elastic CI Stack's does, with this folder.
list_hook_folders() {
    {
        read_agent_setting hooks-path
        read_agent_setting additional-hooks-paths | tr ',' '\n'
        if [ -z "$(find_agent_configuration)$(read_agent_setting hooks-path)" ]; then
            printf '%s\n' "$HOOKS_WITHOUT_CONFIGURATION"
        fi
    } | awk '$0 != "" && !seen[$0]++'
}

# Prints with what a hook is to be started: its first line, or bash as the agent does without one.
# Fails if it is no POSIX shell: then nobody can source it.
read_hook_shell() { # FILE
    first=$(head -c 200 "$1" | head -n 1 | tr -d '\0')
    case $first in
    '#!'*)
        # shellcheck disable=SC2086 # the words of the line
        set -- ${first#??}
        case ${1##*/} in env) shell=${2:-} ;; *) shell=${1:-} ;; esac
        case ${shell##*/} in
        sh | bash | dash | ksh | zsh) printf '%s\n' "$first" ;;
        *) return 1 ;;
        esac
        ;;
    "$(printf '\177ELF')"*) return 1 ;;
    *) printf '#!/usr/bin/env bash\n' ;;
    esac
}
