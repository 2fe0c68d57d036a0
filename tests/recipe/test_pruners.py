"""What runs by itself and prunes is found: timers, cron files, and the scripts that they start."""

from __future__ import annotations

import pytest

from recipe.root_folder import RootFolder

SYSTEMCTL = r"""
case "$*" in
"list-units --type=timer"*) printf 'docker-gc.timer loaded active\nfstrim.timer loaded active\n' ;;
"list-unit-files --type=timer,service"*)
    printf 'docker-gc.timer enabled\nlater.timer enabled\ngetty@.service enabled\n%s' "$SERVICES" ;;
*--property=Id*) printf 'ExecStart={ path=/x ; argv[]=/x ; }\nId=x.service\n\n'
    printf 'ExecStart={ path=%s ; argv[]=%s ; }\nId=clean.service\n' "$AT_BOOT" "$AT_BOOT" ;;
*--property=Unit*later.timer) echo "$LATER" ;;
*--property=Unit*docker-gc.timer) echo docker-gc.service ;;
*--property=Unit*) echo other.service ;;
*docker-gc.service) echo '{ path=/opt/docker-gc ; argv[]=/opt/docker-gc --all ; status=0/0 }' ;;
*) echo '{ path=/usr/sbin/fstrim ; argv[]=/usr/sbin/fstrim --all }' ;;
esac
"""


def pruners(root: RootFolder) -> list[list[str]]:
    root.variables = {"SERVICES": "", "LATER": "other.service", **root.variables}
    root.fake_program("systemctl", SYSTEMCTL)
    hide = "rm -rf /etc/cron.d/* /etc/cron.daily/*; cp -R /extra/. / 2>/dev/null || true"
    root.run(
        "20-owner",
        before=f"groupadd -f docker; {hide}",
        after="cd /recipe; sh -eu pruners.sh || echo $?",
    )
    return [line.split("\t") for line in root.left.splitlines()]


def test_a_quiet_machine_has_none(root: RootFolder) -> None:
    root.put("opt/docker-gc", "#!/bin/sh\ndocker system df\n# docker image prune\n", 0o755)
    assert pruners(root) == []


def test_a_timers_script_that_prunes_is_found(root: RootFolder) -> None:
    script = "#!/bin/bash\ndocker image prune --all --force --filter until=4h\n"
    root.put("opt/docker-gc", script, 0o755)
    assert pruners(root) == [["always", "docker-gc.timer", "/opt/docker-gc"]]


def test_what_looks_at_the_free_space_first_is_told_apart(root: RootFolder) -> None:
    script = "#!/bin/bash\nif bk-check-disk-space.sh; then exit; fi\ndocker builder prune --all\n"
    root.put("opt/docker-gc", script, 0o755)
    assert pruners(root) == [["low-disk", "docker-gc.timer", "/opt/docker-gc"]]


def test_networks_and_stopped_containers_are_not_what_is_baked(root: RootFolder) -> None:
    script = "#!/bin/bash\ndocker network prune --force\ndocker container prune --force\n"
    root.put("opt/docker-gc", script, 0o755)
    assert pruners(root) == []


def test_an_enabled_timer_that_nothing_has_started_yet_is_found(root: RootFolder) -> None:
    root.put("opt/docker-gc", "#!/bin/sh\ndocker image prune --all --force\n", 0o755)
    root.variables["LATER"] = "docker-gc.service"
    assert ["always", "later.timer", "/opt/docker-gc"] in pruners(root)


def test_a_service_that_prunes_at_boot_is_found(root: RootFolder) -> None:
    root.put("opt/clean", "#!/bin/sh\ndocker builder prune --force --filter until=24h\n", 0o755)
    root.variables |= {"SERVICES": "x.service enabled\nclean.service enabled\n"}
    root.variables["AT_BOOT"] = "/opt/clean"
    assert pruners(root) == [["always", "clean.service", "/opt/clean"]]


@pytest.mark.parametrize(
    ("line", "when"),
    [("", "always"), ("if ! /usr/local/bin/bk-check-disk-space.sh; then\n", "low-disk")],
)
@pytest.mark.parametrize(
    "file", ["etc/buildkite-agent/hooks/environment", "var/lib/cloud/scripts/per-boot/clean"]
)
def test_what_prunes_with_each_job_or_each_boot_is_found(
    root: RootFolder, file: str, line: str, when: str
) -> None:
    root.put(file, f"#!/bin/bash\n{line}docker image prune --all --force\n", 0o755)
    assert pruners(root) == [[when, f"/{file}", f"/{file}"]]


@pytest.mark.parametrize(
    "asked",
    [
        "list-units",
        "list-unit-files --type=timer,service",
        "--property=Unit",
        "--property=ExecStart",
        "--property=Id",
    ],
)
def test_a_systemd_that_does_not_answer_is_no_clean_machine(root: RootFolder, asked: str) -> None:
    root.variables |= {"SERVICES": "x.service enabled\n", "LATER": "", "AT_BOOT": "/x"}
    root.fake_program("systemctl", f'case "$*" in *"{asked}"*) exit 1 ;; esac\n{SYSTEMCTL}')
    root.run(
        "20-owner", before="groupadd -f docker", after="cd /recipe; sh -eu pruners.sh || echo $?"
    )
    assert root.left == "1\n"


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("0 * * * * root docker buildx prune --all -f", "/etc/cron.d/clean"),
        ("0 * * * * root /opt/clean --now", "/opt/clean"),
    ],
)
def test_cron_files_are_looked_through(root: RootFolder, line: str, file: str) -> None:
    root.put("extra/etc/cron.d/clean", f"# cleans\n{line}\n")
    root.put("opt/clean", "#!/bin/sh\nbuildctl prune\n", 0o755)
    assert pruners(root) == [["always", "/etc/cron.d/clean", file]]
