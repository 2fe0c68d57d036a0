#!/bin/sh
# Installs what amikiln needs and this machine lacks: Debian packages with apt, Python packages
# into .venv. Says what it installs. Called by scripts/demo, test and check, and by the Buildkite
# pipeline with --pipeline, where it can use dnf too.
#   scripts/lib/setup.sh [--no-machines | --with-packer | --pipeline]
set -eu
# shellcheck source=scripts/lib/usage.sh
. "$(dirname "$0")/usage.sh"
case ${1:-} in
'' | --no-machines | --with-packer | --pipeline) [ "$#" -le 1 ] || refuse "$2" ;;
*) refuse "$1" ;;
esac
cd "$(dirname "$0")/../.."

PACKAGES="ca-certificates debian-archive-keyring docker-registry e2fsprogs iproute2 jq libnbd-bin \
mmdebstrap nftables openssh-client qemu-system-x86 qemu-utils shellcheck skopeo slirp4netns \
systemd-container uidmap"
QEMU_PACKAGES="qemu-system-x86 qemu-utils"
STAMP=.venv/amikiln-setup.stamp
CACHE=${AMIKILN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/amikiln}
STATE=${AMIKILN_STATE:-${XDG_STATE_HOME:-$HOME/.local/state}/amikiln}
LOG=$STATE/setup.log
# --no-machines: nothing will boot, so port 22 does not matter.
# --with-packer: for the tests that let Packer build an image, and as root for those of a user with
# sudo.
# --pipeline: amikiln alone, on a CI agent: there is no local cloud.
mode=${1:-}
if [ "$mode" = --pipeline ]; then
    # One of its own: a checkout may be set up both ways.
    STAMP=.venv/amikiln-setup-pipeline.stamp
    PACKAGES="ca-certificates git openssh-client"
    # Amazon Linux 2023's own python3 is 3.9. The Elastic CI Stack's images have all of these, so
    # that a job needs no sudo there. Source of the names:
    # https://docs.aws.amazon.com/linux/al2023/release-notes/all-packages-AL2023.html
    ! command -v dnf >/dev/null || PACKAGES="ca-certificates git openssh-clients python3.11"
fi

say() { echo "set-up: $*" >&2; }
fail() {
    say "$*"
    exit 3
}

# The packages as dpkg knows them: a changed answer means that set-up has to look again.
installed() {
    if command -v rpm >/dev/null && ! command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2086 # a list of words
        rpm --query --queryformat '%{NAME} %{VERSION}-%{RELEASE}\n' $PACKAGES |
            sed '/ is not installed$/d'
        return
    fi
    # shellcheck disable=SC2086
    dpkg-query --show --showformat '${db:Status-Abbrev}${Package} ${Version}\n' \
        $PACKAGES 2>/dev/null | sed -n 's/^ii //p'
}
inputs() {
    sha256sum requirements.lock pyproject.toml scripts/lib/setup.sh
    installed
}

find_python() {
    found=
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        version=$("$name" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        minor=${version#3.}
        if [ "$minor" -ge 11 ]; then
            echo "$name $version"
            return
        fi
        found=" (python3 is $version)"
    done
    fail "needs Python 3.11 or newer on PATH$found"
}

# Asks sudo for apt and sysctl alone; everything else is done as the user who called.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}
need_root() {
    [ "$(id -u)" = 0 ] && return
    command -v sudo >/dev/null || fail "no permission: needs root, or sudo, $1"
    if [ -t 0 ]; then
        sudo -v || fail "no permission: sudo refused, and it is needed $1"
    else
        sudo -n true 2>>"$LOG" ||
            fail "no permission: sudo wants a password and there is no terminal; it is needed $1"
    fi
}

existing() {
    place=$1
    while [ ! -d "$place" ]; do place=$(dirname "$place"); done
    echo "$place"
}
# Reads lines "MEGABYTES PLACE". Adds up what goes to one file system: it may be the same for all.
check_disk() {
    while read -r megabytes place; do
        [ -n "$place" ] || continue
        there=0
        [ "$place" = /usr ] || [ ! -d "$place" ] || there=$(du -sm "$place" | cut -f 1)
        df -Pk "$(existing "$place")" | awk -v need="$((megabytes - there))" \
            'NR == 2 { print $6, $4, (need > 0 ? need : 0) }'
    done | awk '{ free[$1] = int($2 / 1024); need[$1] += $3 }
        END { for (m in need) if (free[m] < need[m])
            printf "%s needs %d MB free, and has %d MB\n", m, need[m], free[m] }' |
        {
            if read -r short; then fail "not enough disk: $short"; fi
        }
}

no_network() { grep -qE 'Could not resolve|Temporary failure|Could not connect|Unable to connect|Cannot initiate|Connection (failed|timed out)|NewConnectionError|NameResolutionError|ConnectTimeout|Network is unreachable' "$LOG"; }
failed() {
    no_network && fail "no network: $1 (details: $LOG)"
    tail -n 15 "$LOG" >&2
    fail "$2 (the whole log: $LOG)"
}

apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 \
        -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -qq "$@" >>"$LOG" 2>&1
}
apt_update() {
    tries=0
    until apt update; do
        # Other programs hold the lists' lock for a moment, at a machine's first boot for minutes;
        # apt waits for dpkg's lock, not for this one. Other errors: a source of this machine may be
        # broken that we do not need; if we do need it, the installation fails.
        tail -n 5 "$LOG" | grep -q 'get lock .*/lists' || break
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || break
        sleep 2
    done
}
# Debian 12 has QEMU 7.2, whose guests take 54 s to ssh where 10's take 33 s.
add_backports() {
    ask() {
        # shellcheck disable=SC2016 # apt's own variable
        apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Origin: $1" \
            "Codename: $2" 2>>"$LOG" | sort -u | head -n 1
    }
    [ -z "$(ask "Debian Backports" bookworm-backports)" ] || return 0
    mirror=$(ask Debian bookworm)
    [ -n "$mirror" ] || failed "apt cannot reach a Debian mirror" "apt names no mirror for Debian 12"
    file=/etc/apt/sources.list.d/amikiln-backports.list
    say "adding bookworm-backports to apt's sources, for QEMU 10 ($file)"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm-backports main" |
        as_root tee "$file" >/dev/null
    apt_update
}
install_packages() {
    need_root "to install them"
    if ! command -v apt-get >/dev/null; then
        say "installing packages: $*"
        as_root dnf install -y -q "$@" >>"$LOG" 2>&1 ||
            failed "dnf cannot reach its mirrors" "dnf cannot install $*"
        return
    fi
    say "installing Debian packages: $* (usually 30 to 60 s)"
    apt_update
    # amikiln runs docker-registry by itself; the package's own service would listen on all addresses.
    case " $* " in *" docker-registry "*)
        unit=/etc/systemd/system/docker-registry.service
        [ -e "$unit" ] || [ -L "$unit" ] || {
            as_root mkdir -p /etc/systemd/system
            as_root ln -s /dev/null "$unit"
        }
        ;;
    esac
    if [ "$SYSTEM" = debian-12 ]; then
        qemu=
        rest=
        for name; do
            case " $QEMU_PACKAGES " in
            *" $name "*) qemu="$qemu $name" ;;
            *) rest="$rest $name" ;;
            esac
        done
        # shellcheck disable=SC2086 # lists of words
        set -- $rest
        if [ -n "$qemu" ]; then
            add_backports
            # shellcheck disable=SC2086
            apt install --no-install-recommends -t bookworm-backports $qemu ||
                failed "apt cannot reach its mirrors" "apt cannot install$qemu from bookworm-backports"
        fi
    fi
    [ "$#" = 0 ] || apt install --no-install-recommends "$@" ||
        failed "apt cannot reach its mirrors" "apt cannot install $*"
}

missing_packages() {
    have=$(installed)
    for name in $PACKAGES; do
        version=$(echo "$have" | sed -n "s/^$name //p")
        if [ -z "$version" ]; then
            echo "$name"
        elif [ "$SYSTEM" = debian-12 ] && [ "$name" != "${name#qemu}" ] &&
            dpkg --compare-versions "$version" lt 1:10; then
            echo "$name"
        fi
    done
    # Debian alone has it in a package of its own.
    command -v apt-get >/dev/null || return 0
    "$PYTHON" -c 'import ensurepip' 2>/dev/null || echo "python$VERSION-venv"
}

install_python_packages() {
    if [ "$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" != "$VERSION" ]; then
        say "making .venv with Python $VERSION"
        "$PYTHON" -m venv --clear .venv >>"$LOG" 2>&1 || failed "" "cannot make .venv"
    fi
    say "installing the Python packages of requirements.lock into .venv (usually 20 to 40 s)"
    # The lock is complete (scripts/lock --check): there is nothing to resolve.
    .venv/bin/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock \
        >>"$LOG" 2>&1 || failed "pip cannot reach the package index" "pip cannot install requirements.lock"
    .venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable . \
        >>"$LOG" 2>&1 || failed "pip cannot reach the package index" "pip cannot install amikiln into .venv"
}

# Every machine of the local cloud has an address 127.0.1.N with ssh on port 22.
open_port_22() {
    code=0 # 1: not permitted; 2: taken
    .venv/bin/python -c 'import errno, socket, sys
try: socket.socket().bind(("127.0.1.254", 22))
except OSError as error: sys.exit(1 if error.errno == errno.EACCES else 2)' || code=$?
    [ "$code" != 2 ] || fail "port 22 on 127.0.1.x is taken: a program listens on it on every address \
(most likely sshd; give it a ListenAddress of its own in /etc/ssh/sshd_config)"
    [ "$code" = 0 ] || {
        say "letting users bind port 22 and up until the next boot (net.ipv4.ip_unprivileged_port_start)"
        need_root "to set net.ipv4.ip_unprivileged_port_start"
        echo 22 | as_root tee /proc/sys/net/ipv4/ip_unprivileged_port_start >/dev/null ||
            fail "no permission: the kernel refused to let users bind port 22"
    }
}

# Debian 12 has a Packer; many other systems have none that is free to ship.
install_packer() {
    command -v packer >/dev/null && return
    mkdir -p "$STATE"
    if [ -n "$(apt-cache show packer 2>/dev/null)" ]; then
        install_packages packer
    else
        say "apt offers no Packer: its tests are not run"
    fi
}

# Root needs none itself.
install_sudo() {
    [ "$(id -u)" = 0 ] || return 0
    command -v sudo >/dev/null && return
    mkdir -p "$STATE"
    install_packages sudo
}

make_state_directory() {
    mkdir -p "$STATE" 2>/dev/null || fail "no permission: cannot make $STATE"
}
up_to_date() { [ -e "$STAMP" ] && [ "$(cat "$STAMP")" = "$(inputs)" ]; }

# shellcheck source=/dev/null
SYSTEM=$(. /etc/os-release && echo "$ID-${VERSION_ID:-}")
if ! up_to_date; then
    [ -z "${CI:-}" ] || echo "--- Set-up" >&2
    [ "$(uname -m)" = x86_64 ] || fail "needs an x86_64 machine, and this is $(uname -m)"
    if [ "$mode" = --pipeline ]; then
        command -v apt-get >/dev/null || command -v dnf >/dev/null ||
            fail "needs a system with apt-get or dnf"
        here=
    else
        command -v apt-get >/dev/null ||
            fail "needs Debian 12, Debian 13 or Ubuntu 24.04: apt-get is not here"
        here=yes
    fi
    if ! command -v apt-get >/dev/null; then
        make_state_directory
        # Python is one of them.
        missing=$(missing_packages)
        # shellcheck disable=SC2086 # a list of words
        [ -z "$missing" ] || install_packages $missing
    fi
    python=$(find_python)
    PYTHON=${python% *}
    VERSION=${python#* }
    missing=$(missing_packages)
    check_disk <<END
${missing:+900 /usr}
800 $PWD/.venv
${here:+4000 $CACHE}
${here:+6000 $STATE}
END
    make_state_directory
    exec 9>"$STATE/setup.lock"
    flock 9
    : >"$LOG"
    if [ -n "$missing" ] && "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
        # Side by side: apt waits for the disk, pip for the network. The job has the lock, too: if
        # this shell is interrupted, the next set-up waits until the job is done.
        (
            LOG=$STATE/setup-python.log
            : >"$LOG"
            install_python_packages
        ) &
        python_job=$!
        trap 'wait' EXIT
        # shellcheck disable=SC2086 # a list of words
        install_packages $missing
        trap - EXIT
        wait "$python_job" || exit
    else
        # shellcheck disable=SC2086 # a list of words
        [ -z "$missing" ] || install_packages $missing
        install_python_packages
    fi
    inputs >"$STAMP"
    say "done"
fi
case $mode in
--no-machines | --pipeline) ;;
*) open_port_22 ;;
esac
if [ "$mode" = --with-packer ]; then
    install_packer
    install_sudo
fi
