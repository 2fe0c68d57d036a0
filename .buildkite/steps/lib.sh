# shellcheck shell=sh
# What the steps share: amikiln, set up from this checkout, and words for Buildkite.

# shellcheck disable=SC2034 # for the steps
IMAGE=images/cpu-build
KEY=cpu-build-ami # of the meta-data that hands the image's id on

# A step that is tried again because its agent was lost finds the lost one's lease: it lapses after
# deadlines.lease_seconds.
export AMIKILN_LEASE_WAIT="${AMIKILN_LEASE_WAIT:-20m}"

echo "--- Set-up"
scripts/lib/setup.sh --pipeline

amikiln() { .venv/bin/amikiln "$@"; }

# Prints one value of a JSON file.
json_value() { # FILE KEY...
    .venv/bin/python -c '
import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2:]:
    value = value[int(key) if isinstance(value, list) else key]
print(value)' "$@"
}

# Shows a file's table in the log and above the build.
annotate() { # STYLE TITLE FILE
    cat "$3"
    { printf '#### %s\n\n```term\n' "$2" && cat "$3" && printf '```\n'; } |
        buildkite-agent annotate --style "$1" --context "cpu-build-ami-${0##*/}"
}
