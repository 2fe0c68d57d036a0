# shellcheck shell=sh
# This machine without the network: what a build needs then has to be on its disk.

# Rules that come after that of the machine's own addresses and before all others. Whatever this
# machine sends or forwards asks them (https://man7.org/linux/man-pages/man8/ip-rule.8.html).
CUT_OFF_KEPT=101
CUT_OFF_REFUSED=102
CUT_OFF_PASSED=103
NOBODYS_ADDRESS=192.0.2.1 # RFC 5737: for documents only

# Until `reconnect`, nothing leaves this machine but what belongs to a TCP connection that is open
# now, those of BuildKit excepted. The one over which we are asked is kept, whatever carries it.
cut_off() {
    for program in ip ss; do
        command -v $program >/dev/null ||
            die "cannot cut this machine off from the network: it has no $program (iproute2)"
    done
    reconnect
    # TCP would wait many minutes for an answer over a connection that is kept for later.
    if ss -Htnp state established | grep '"buildkitd"' | grep -qv '127\.0\.0\.1:[0-9]* *users'; then
        restart_builder
    fi
    for family in $(list_families); do
        ip "$family" rule add pref $CUT_OFF_PASSED nop
        list_connections "$family" | while read -r from port to far_port; do
            ip "$family" rule add pref $CUT_OFF_KEPT from "$from" to "$to" ipproto tcp \
                sport "$port" dport "$far_port" goto $CUT_OFF_PASSED
        done
        ip "$family" rule add pref $CUT_OFF_REFUSED prohibit
    done
    if ip route get $NOBODYS_ADDRESS >/dev/null 2>&1; then
        die "cannot cut this machine off from the network: its rules have no effect"
    fi
}

# Undoes cut_off; where nothing is cut off, nothing happens.
reconnect() {
    for family in $(list_families); do
        for preference in $CUT_OFF_REFUSED $CUT_OFF_KEPT $CUT_OFF_PASSED; do
            while ip "$family" rule del pref "$preference" 2>/dev/null; do :; done
        done
    done
}

list_families() {
    echo -4
    [ ! -e /proc/net/if_inet6 ] || echo -6
}

# Prints the open TCP connections: ADDRESS PORT ADDRESS PORT, of here and there.
list_connections() { # -4|-6
    ss -Htnp state established | grep -v '"buildkitd"' | awk -v family="$1" '
        function split_off_port(end) {
            match(end, /:[0-9]+$/)
            port = substr(end, RSTART + 1)
            address = substr(end, 1, RSTART - 1)
            gsub(/[][]|%.*/, "", address)
            sub(/^::ffff:/, "", address)
        }
        {
            split_off_port($3)
            if ((family == "-6") != (address ~ /:/)) next
            line = address " " port
            split_off_port($4)
            print line, address, port
        }'
}
