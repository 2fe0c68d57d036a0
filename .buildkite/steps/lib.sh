# shellcheck shell=sh
# Shared by the steps: sets up amikiln from this checkout, and defines functions.

# shellcheck disable=SC2034 # the steps use it
IMAGE=images/cpu-build
KEY=cpu-build-ami # the meta-data that holds the image's id
PLAN=plan.json

# The pipeline says how long; by hand, a step waits as long as the default lease lasts.
export AMIKILN_LEASE_WAIT="${AMIKILN_LEASE_WAIT:-20m}"

echo "--- Set-up"
scripts/lib/setup.sh --pipeline

amikiln() { .venv/bin/amikiln "$@"; }

# Gets the plan that the first step made; a retried step gets the same one.
fetch_plan() {
    rm -f "$PLAN"
    buildkite-agent artifact download "$PLAN" .
}

# Gets the bake files of AMIKILN_BAKE_FILES, which amikiln reads itself: artifacts of a build, of this
# one if its id is empty. A file with an absolute path is the agent's own.
fetch_bake_files() { # BUILD
    for path in $(list_bake_files); do
        rm -f "$path"
        buildkite-agent artifact download ${1:+--build "$1"} "$path" .
    done
}

list_bake_files() {
    for given in ${AMIKILN_BAKE_FILES:-}; do
        case ${given#*=} in
        /*) ;;
        *) echo "${given#*=}" ;;
        esac
    done
}

# Prints one value of a JSON file.
json_value() { # FILE KEY...
    .venv/bin/python -c '
import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2:]:
    value = value[int(key) if isinstance(value, list) else key]
print(value)' "$@"
}

# Shows a file in the log and as an annotation of the build.
annotate() { # STYLE TITLE FILE
    cat "$3"
    { printf '#### %s\n\n```term\n' "$2" && cat "$3" && printf '```\n'; } |
        buildkite-agent annotate --style "$1" --context "cpu-build-ami-${0##*/}"
}
