# shellcheck shell=sh
# The builder as a systemd service; lib.sh describes each function. Its programs come from the
# pinned image, so that one digest pins both kinds of builder.

SOCKET=unix:///run/buildkit/buildkitd.sock
STATE=/var/lib/buildkit

make_builder() {
    if builder_is_current && programs_are_intact; then
        systemctl start buildkit.service buildkit-register.service
        say "builder $BUILDER is there already"
    else
        # Its cache stays when its programs or its configuration change.
        if systemctl is-active --quiet buildkit.service; then stop_builder; fi
        extract_programs
        print_service_unit >/etc/systemd/system/buildkit.service
        print_register_unit >/etc/systemd/system/buildkit-register.service
        systemctl daemon-reload
        systemctl enable --quiet buildkit.service buildkit-register.service
        systemctl start buildkit.service
        systemctl restart buildkit-register.service
        record_builder
    fi
    say "buildkit.service: $(systemctl is-active buildkit.service)," \
        "BuildKit $(print_builder_version), registered for $BUILDER_OWNER as $BUILDER"
}

stop_builder() {
    # Waits until it has exited; systemd kills it after TimeoutStopSec.
    systemctl stop buildkit.service
    result=$(systemctl show --property=Result --value buildkit.service)
    case $result in
    timeout | signal | watchdog | core-dump | oom-kill)
        die "BuildKit did not stop cleanly within $BUILDER_STOP_SECONDS s ($result):" \
            "its databases may be damaged"
        ;;
    esac
}

restart_builder() { systemctl restart buildkit.service; }

print_builder_version() { "$PROGRAMS/bin/buildkitd" --version | cut -d' ' -f3; }

find_builder_state() { printf '%s\n' "$STATE"; }

find_builder_process() {
    systemctl show --property=MainPID --property=ExecMainStartTimestampMonotonic buildkit.service
}

run_buildctl() { "$PROGRAMS/bin/buildctl" --addr "$SOCKET" "$@"; }

programs_are_intact() {
    (cd "$PROGRAMS" 2>/dev/null && sha256sum --check --status programs.sha256)
}

extract_programs() {
    scratch=/var/tmp/amikiln-programs
    rm -rf "$scratch" "$PROGRAMS"
    mkdir -p "$scratch" "$PROGRAMS/bin"
    docker image inspect "$BUILDKIT_IMAGE" >/dev/null 2>&1 && had_image=yes || had_image=no
    docker rm --force amikiln-programs >/dev/null 2>&1 || true
    docker_with_logins create --name amikiln-programs "$BUILDKIT_IMAGE" >/dev/null
    docker cp --quiet amikiln-programs:/usr/bin "$scratch/"
    docker rm --force amikiln-programs >/dev/null
    [ "$had_image" = yes ] || docker image rm "$BUILDKIT_IMAGE" >/dev/null

    # buildkit-*: its own runc, emulators and network helpers, where the image has them.
    for program in buildkitd buildctl buildkit-; do
        for file in "$scratch/bin/$program"*; do
            [ ! -f "$file" ] || install -m 0755 "$file" "$PROGRAMS/bin/"
        done
    done
    [ -x "$PROGRAMS/bin/buildkit-runc" ] || command -v runc >/dev/null ||
        die "neither $BUILDKIT_IMAGE nor this machine has runc, which BuildKit runs steps with"
    for program in buildkitd buildctl; do
        said=$("$PROGRAMS/bin/$program" --version 2>&1) ||
            die "$program out of $BUILDKIT_IMAGE does not run on this machine: $said"
        say "$said"
    done
    # BuildKit runs them for git contexts and compressed archives.
    for program in git xz; do
        if [ -e "$scratch/bin/$program" ] && ! command -v "$program" >/dev/null; then
            say "installing $program"
            case $program in xz) install_packages xz xz-utils ;; *) install_packages "$program" ;; esac
            command -v "$program" >/dev/null || die "no package repository offers $program"
        fi
    done
    rm -rf "$scratch"
    for script in start runc register; do
        "print_${script}_script" >"$PROGRAMS/$script"
        chmod 0755 "$PROGRAMS/$script"
    done
    (cd "$PROGRAMS" && sha256sum -- bin/* start runc register >programs.sha256)
    printf '%s\n' "$BUILDKIT_IMAGE" >"$PROGRAMS/image"
}

# Puts itself into a control group below the service's own, then becomes the daemon: a group has
# either processes or groups with controllers, and beside the daemon's are those of the steps
# (https://systemd.io/CGROUP_DELEGATION/). DelegateSubgroup= does the same from systemd 254 on.
print_start_script() {
    cat <<SCRIPT
#!/bin/sh -eu
group=/sys/fs/cgroup/system.slice/buildkit.service
if [ -e \$group/cgroup.procs ]; then
    mkdir -p \$group/daemon
    echo \$\$ >\$group/daemon/cgroup.procs
fi
exec $PROGRAMS/bin/buildkitd --config $BUILDKITD_TOML --root $STATE \\
    --addr $SOCKET --group docker
SCRIPT
}

# A process inherits its parent's score. With the daemon's, the kernel would kill the agent before a
# build step.
print_runc_script() {
    runc=runc
    [ ! -x "$PROGRAMS/bin/buildkit-runc" ] || runc=$PROGRAMS/bin/buildkit-runc
    cat <<SCRIPT
#!/bin/sh -eu
echo 0 >/proc/self/oom_score_adj
exec $runc "\$@"
SCRIPT
}

# buildx stores a builder in the home of the user who created it. The script looks there first:
# starting buildx takes seconds on a machine that has just booted.
print_register_script() {
    cat <<SCRIPT
#!/bin/sh -eu
state=\$HOME/.docker/buildx
if ! { grep -qF '"Driver":"remote"' "\$state/instances/$BUILDER" &&
    grep -qF '"Endpoint":"$SOCKET"' "\$state/instances/$BUILDER"; } 2>/dev/null; then
    docker buildx rm --force $BUILDER >/dev/null 2>&1 || true
    docker buildx create --name $BUILDER --driver remote --use $SOCKET
elif ! grep -qF '"Name":"$BUILDER"' "\$state/current" 2>/dev/null; then
    docker buildx use $BUILDER
fi
SCRIPT
}

# Build steps are in the service's control group (buildkitd.toml) and share its weight: a step that
# runs out of memory must not stop the service, and tasks are not limited. BuildKit exits with 1 when
# it is stopped.
print_service_unit() {
    cat <<UNIT
[Unit]
Description=BuildKit, the builder of CI jobs
Documentation=https://github.com/moby/buildkit
After=network.target

[Service]
Type=notify
Environment=PATH=$PROGRAMS/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=$PROGRAMS/start
RuntimeDirectory=buildkit
SuccessExitStatus=1
Restart=always
RestartSec=2
TimeoutStartSec=300
TimeoutStopSec=$BUILDER_STOP_SECONDS
KillMode=mixed
Delegate=yes
Nice=10
CPUWeight=25
OOMScoreAdjust=-500
OOMPolicy=continue
LimitNOFILE=1048576
LimitNPROC=infinity
TasksMax=infinity

[Install]
WantedBy=multi-user.target
UNIT
}

print_register_unit() {
    cat <<UNIT
[Unit]
Description=BuildKit's service is the builder of $BUILDER_OWNER
After=buildkit.service

[Service]
Type=oneshot
RemainAfterExit=yes
User=$BUILDER_OWNER
WorkingDirectory=~
ExecStart=$PROGRAMS/register

[Install]
WantedBy=multi-user.target
UNIT
}
