# shellcheck shell=sh
# Shared by the steps. Each step begins with:  . ./lib.sh
# A step runs as root, in the recipe's directory, by `sh -eu`, and can be run again.

# Jobs read what is made here, also on a machine whose root makes files for itself alone.
umask 022

# shellcheck source=/dev/null
. ./values.env
# shellcheck source=/dev/null
. ./resolved.env

# 80-manifest reports how long each step took.
step_began=$(date +%s)
note_time() { printf '%s %s\n' "${0##*/}" "$(($(date +%s) - step_began))" >>times.list; }
trap note_time EXIT

say() { printf '%s\n' "$*"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Prints what this machine is, in the words of systemd-detect-virt(1): systemd-nspawn, amazon, none...
# One that QEMU emulates is "qemu", whoever its firmware says has made it.
detect_machine() {
    if ! systemd-detect-virt --quiet --container &&
        grep -qs '^model name.*QEMU TCG' "${CPU_FACTS:-/proc/cpuinfo}"; then
        # QEMU's own name for an emulated processor; with KVM it is the real one's name.
        echo qemu
    else
        systemd-detect-virt || true
    fi
}

# Writes what is in memory to this machine's disks. In a container, sync(1) would wait for every disk of
# the host, those of other machines among them.
sync_disks() {
    if systemd-detect-virt --quiet --container; then sync --file-system /; else sync; fi
}

owner_home() { getent passwd "$BUILDER_OWNER" | cut -d: -f6; }

# buildx keeps its builders in the home of the user who made them, so it matters who asks. Jobs have
# more than that user: what they see, as_job shows (jobs.sh).
as_owner() {
    runuser -u "$BUILDER_OWNER" -- env -C "$(owner_home)" HOME="$(owner_home)" "$@"
}

# The same, with the logins of the spec's registries: the client asks for them, not the builder.
as_owner_with_logins() {
    if [ ! -e "$LOGINS/config.json" ]; then
        as_owner "$@"
        return
    fi
    chown -R "$BUILDER_OWNER" "$LOGINS"
    plugins=$(owner_home)/.docker/cli-plugins
    [ ! -d "$plugins" ] || ln -sfn "$plugins" "$LOGINS/cli-plugins"
    as_owner env DOCKER_CONFIG="$LOGINS" BUILDX_CONFIG="$(owner_home)/.docker/buildx" "$@"
}

# Pulls as root, with these logins.
docker_with_logins() {
    if [ -e "$LOGINS/config.json" ]; then docker --config "$LOGINS" "$@"; else docker "$@"; fi
}

# Whether a version (1.2.3, with whatever a packager appended) is at least another one.
new_enough() {
    lowest=$(printf '%s\n%s\n' "$(printf '%s' "$1" | sed 's/[^0-9.].*//')" "$2" | sort -V | head -n 1)
    [ "$lowest" = "$2" ]
}

# Installs those of the packages that a repository of this machine offers.
install_packages() {
    wanted=$*
    set --
    if command -v dnf >/dev/null; then
        for package in $wanted; do
            if dnf list -q --available "$package" >/dev/null 2>&1; then set -- "$@" "$package"; fi
        done
        [ "$#" = 0 ] || dnf install -y -q "$@"
    elif command -v apt-get >/dev/null; then
        apt-get update -qq
        for package in $wanted; do
            if apt-cache show "$package" >/dev/null 2>&1; then set -- "$@" "$package"; fi
        done
        [ "$#" = 0 ] ||
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    else
        die "neither dnf nor apt-get is here: cannot install $wanted"
    fi
}

# Prints every installed package and its version, one a line.
list_packages() {
    if command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2016 # dpkg-query's own variables
        dpkg-query --show --showformat '${Package} ${Version}\n'
    else
        rpm --query --all --queryformat '%{NAME} %{VERSION}-%{RELEASE}\n'
    fi
}

# The builder of the plan's driver: builders/DRIVER.sh, each of which defines
#   make_builder             creates and starts it; one of equal inputs keeps its cache
#   stop_builder             stops it cleanly, and waits until it has exited
#   restart_builder          stops it cleanly, and starts it again
#   print_builder_version    prints BuildKit's version
#   find_builder_state       prints where its state is on this disk; it may be stopped
#   run_buildctl             runs buildctl against it with the given arguments
#   find_builder_process     prints which process it is and since when it runs
# and may use what follows.
# shellcheck disable=SC2034
BUILDER_STOP_SECONDS=300
hash_builder() {
    printf '%s\n' "$BUILDKIT_IMAGE" | cat - buildkitd.toml builder.sh | sha256sum | cut -d' ' -f1
}
builder_is_current() {
    [ "$(cat "$RECORDS/builder.sha256" 2>/dev/null)" = "$(hash_builder)" ]
}
record_builder() {
    mkdir -p "$RECORDS"
    hash_builder >"$RECORDS/builder.sha256"
}

# shellcheck source=/dev/null
. ./builder.sh
. ./jobs.sh

# Prints how much the builder's cache holds, as JSON. BuildKit prints -1 for a size it does not know.
print_builder_store() {
    sizes=$(run_buildctl du --format '{{range .}}{{.Size}}{{println}}{{end}}') || return
    printf '%s\n' "$sizes" | awk 'NF { records++; if ($1 > 0) bytes += $1 }
        END { printf "{\"records\":%d,\"bytes\":%.0f}", records, bytes }'
}
