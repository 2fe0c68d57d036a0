# shellcheck shell=sh
# What the steps share. Each step begins with:  . ./lib.sh
# A step is run as root, in the recipe's directory, by `sh -eu`; it can be run again.

# shellcheck source=/dev/null
. ./values.env

say() { printf '%s\n' "$*"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

owner_home() { getent passwd "$BUILDER_OWNER" | cut -d: -f6; }

# buildx keeps its builders in the home of the user who made them, so it matters who asks.
as_owner() {
    runuser -u "$BUILDER_OWNER" -- env -C "$(owner_home)" HOME="$(owner_home)" "$@"
}

builder_container() { printf 'buildx_buildkit_%s0' "$BUILDER"; }

# Tells whether a version (1.2.3, with whatever a packager put behind) is at least another one.
new_enough() {
    lowest=$(printf '%s\n%s\n' "$(printf '%s' "$1" | sed 's/[^0-9.].*//')" "$2" | sort -V | head -n 1)
    [ "$lowest" = "$2" ]
}

install_package() {
    if command -v dnf >/dev/null; then
        dnf install -y -q "$@"
    elif command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    else
        die "neither dnf nor apt-get is here: cannot install $*"
    fi
}
