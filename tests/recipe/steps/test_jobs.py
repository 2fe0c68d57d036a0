"""86-jobs: whatever the agent's environment hook is like, each job finds the builder."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipe.jobs import BEFORE, BUILDER, FOUND, HOOK, HOOKS, JOB, LOOK, RECORD, render_current
from recipe.root_folder import OWNER, RootFolder

HOOKS_LIKE = Path(__file__).parent.parent.parent / "cases" / "hooks"


@pytest.mark.parametrize("case", sorted(path.stem for path in HOOKS_LIKE.glob("*.hook")))
def test_a_job_finds_the_builder_whatever_the_hook_is_like(case: str, jobs: RootFolder) -> None:
    text = (HOOKS_LIKE / f"{case}.hook").read_text()
    jobs.put(HOOK[1:], text, 0o755)
    stat = f"stat -c '%a %U %i' {HOOK} >>/state/stat; cat {HOOK} >>/state/hook"
    first, second = jobs.run(
        "86-jobs",
        before=f"{BEFORE}; chown {OWNER} {HOOK}; {stat}",
        times=2,
        after=f"({JOB} '{LOOK}' 2>/dev/null); {stat}; echo =; cat /state/stat; cat {HOOK}",
    )
    assert (first.exit_code, second.exit_code) == (0, 0), first.said + second.said
    assert f"{HOOK} gives jobs the builder already" in second.said
    job, _, hook = jobs.left.partition("=\n")
    # What a hook that exits has exported, the agent does not take over.
    exported = "" if case in {"exits-early", "empty"} else "yes"
    assert job.splitlines() == [exported, *FOUND]
    before, after, *hook_lines = hook.splitlines()
    assert before == after
    assert before.startswith(f"755 {OWNER} ")
    # Its own lines are there, behind what was added.
    own = text.splitlines()
    assert (
        hook_lines[len(hook_lines) - len(own) + text.startswith("#!") :]
        == own[text.startswith("#!") :]
    )


def test_where_there_is_no_hook_one_is_made_for_the_agent_that_comes(jobs: RootFolder) -> None:
    before = f"{BEFORE}; rm -r /etc/buildkite-agent"
    first, second = jobs.run(
        "86-jobs",
        before=before,
        times=2,
        after=f"({JOB} '{LOOK}'); stat -c '%a %U' {HOOK}",
    )
    assert (first.exit_code, second.exit_code) == (0, 0), first.said + second.said
    assert jobs.left.splitlines() == ["", *FOUND, "755 root"]
    assert "already" in second.said


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (f"printf '#!/usr/bin/env python3\\n' >{HOOK}", "is not written in shell"),
        (f"printf '#!/usr/bin/fish\\n' >{HOOK}", "is not written in shell"),
        (f"cp /bin/true {HOOK}", "is not written in shell"),
        (f"touch {HOOK}.ps1", f"{HOOK}.ps1 is not written in shell"),
        (f"ln -s /mnt/efs/hook {HOOK}", "leads nowhere"),
        (f"mkdir {HOOK}", "is no file"),
        (f"echo '# <<< amikiln' >{HOOK}", "half of what an earlier bake added"),
    ],
)
def test_a_hook_that_cannot_be_extended_ends_the_bake(
    make: str, fault: str, jobs: RootFolder
) -> None:
    look = f"ls {HOOKS}"
    (ran,) = jobs.run("86-jobs", before=f"{BEFORE}; {make}; {look} >/state/before", after=look)
    assert ran.exit_code == 1
    assert fault in ran.said
    assert "error: amikiln cannot add to the agent's environment hook" in ran.said
    assert "environment" in jobs.left or ".ps1" in fault


def test_a_link_stays_one_and_the_file_that_it_leads_to_is_extended(jobs: RootFolder) -> None:
    jobs.put("opt/hooks/environment", "#!/bin/bash\nexport FROM_HOOK=yes\n", 0o700)
    link = f"chown {OWNER} /opt/hooks/environment; ln -s ../../../opt/hooks/environment {HOOK}"
    look = f"readlink {HOOK}; stat -c '%a %U' /opt/hooks/environment; {JOB} '{LOOK}'"
    jobs.run("86-jobs", before=f"{BEFORE}; {link}", times=2, after=look)
    assert jobs.left.splitlines() == [
        "../../../opt/hooks/environment",
        f"700 {OWNER}",
        "yes",
        *FOUND,
    ]


def test_what_an_earlier_bake_added_is_replaced(jobs: RootFolder) -> None:
    jobs.put(HOOK[1:], "#!/bin/bash\nexport FROM_HOOK=yes\n", 0o755)
    jobs.plan_changes["buildkit"] = {
        "builder": BUILDER,
        "owner": OWNER,
        "buildx_builder_variable": True,
    }
    jobs.run("86-jobs", before=BEFORE, after=f"({JOB} '{LOOK}'); cat {HOOK}")
    job, _, hook = jobs.left.partition("#!/bin/bash\n")
    assert job.splitlines() == ["yes", *FOUND, f"BUILDX_BUILDER={BUILDER}"]

    jobs.put(HOOK[1:], "#!/bin/bash\n" + hook + "export APPENDED=yes\n", 0o755)
    jobs.plan_changes["buildkit"] = {"builder": BUILDER, "owner": OWNER}
    old = "mkdir -p /etc/amikiln/jobs/builder; touch /etc/amikiln/jobs/builder/another"
    look = f"ls /etc/amikiln/jobs/builder; ({JOB} '{LOOK}; echo $APPENDED')"
    jobs.run("86-jobs", before=f"{BEFORE}; {old}", after=look)
    assert jobs.left.splitlines() == [BUILDER, "yes", *FOUND, "yes"]


CURRENT = "$DOCKER_CONFIG/buildx/current"
CHOOSING_HOOK = f"""#!/bin/bash
export DOCKER_CONFIG=$(mktemp -d)
mkdir $DOCKER_CONFIG/buildx
echo '{{"Name":"own"}}' >{CURRENT}
"""
UNIT = f"""[Unit]
Description=the agent
[Service]
User={OWNER}
Environment="BUILDKITE_AGENT_CONFIG=/opt/agent.cfg" \\
    "A=%n"
UMask=0027
ExecStart=/usr/bin/buildkite-agent start
StandardOutput=null
Restart=always
[Install]
WantedBy=multi-user.target
"""
SYSTEMCTL = """
case "$*" in
*UnitPath*) echo "/etc/systemd/system /nowhere /units" ;;
*FragmentPath*) echo /units/buildkite-agent.service; echo /drop-in.conf ;;
*ExecStart*) echo "{ path=/a ; argv[]=/a start $OPTION ; ignore_errors=no ; pid=0 }" ;;
esac
"""


@pytest.mark.parametrize(
    ("configuration", "drop_in", "option", "folder"),
    [
        ('hooks-path="/opt/hooks"', "", "", "/opt/hooks"),
        ("hooks-path=~/hooks # a comment", "", "", f"/home/{OWNER}/hooks"),
        ("  export hooks-path: /opt/yaml", "", "", "/opt/yaml"),
        ('hooks-path = "/opt/#hooks" # a comment', "", "", "/opt/#hooks"),
        ("hooks-path=$HOME/hooks", "", "", f"/home/{OWNER}/hooks"),
        ("# hooks-path=/x\nhooks-path = '/opt/hooks'", "", "", "/opt/hooks"),
        ("hooks-path=/x", "Environment=BUILDKITE_HOOKS_PATH=/opt/e", "", "/opt/e"),
        ("hooks-path=/x", "", "--hooks-path /opt/option", "/opt/option"),
        ("hooks-path=/x", "", "--hooks-path=/opt/option", "/opt/option"),
        ("name=x", "", "", HOOKS),
    ],
)
def test_the_hook_is_made_where_the_agent_looks(
    configuration: str, drop_in: str, option: str, folder: str, jobs: RootFolder
) -> None:
    jobs.put("units/buildkite-agent.service", UNIT)
    jobs.put("drop-in.conf", f"[Service]\n{drop_in}\n")
    jobs.put("opt/agent.cfg", configuration + "\n")
    jobs.fake_program("systemctl", SYSTEMCTL)
    jobs.variables["OPTION"] = option
    find = "find /etc /opt /home -name environment -exec grep -l amikiln {} + 2>/dev/null"
    (ran,) = jobs.run("86-jobs", before=BEFORE, after=f"{find} || true")
    assert ran.exit_code == 0, ran.said
    assert jobs.left.splitlines() == [f"{folder}/environment"]
    assert ("no hooks-path" in ran.said) == (configuration == "name=x")


def test_each_folder_that_has_a_hook_is_extended(jobs: RootFolder) -> None:
    jobs.put("units/buildkite-agent.service", UNIT)
    jobs.put("drop-in.conf", "")
    jobs.put("opt/agent.cfg", "hooks-path=/opt/a\nadditional-hooks-paths=/opt/b,/opt/c\n")
    jobs.put("opt/a/pre-command", "#!/bin/sh\n")
    late = "#!/bin/bash\nexport FROM_HOOK=yes DOCKER_CONFIG=$(mktemp -d)\n"
    jobs.put("opt/b/environment", "#!/bin/sh\nexport FROM_HOOK=no\n")
    jobs.put("opt/c/environment", late)
    jobs.fake_program("systemctl", SYSTEMCTL)
    look = f"ls /opt/a; {JOB} '{LOOK}'"
    (ran,) = jobs.run("86-jobs", before=BEFORE, after=look)
    assert ran.exit_code == 0, ran.said
    assert jobs.left.splitlines() == ["pre-command", "yes", *FOUND]


def test_a_job_has_what_the_unit_gives_and_nothing_of_roots(jobs: RootFolder) -> None:
    jobs.put("units/buildkite-agent.service", UNIT)
    jobs.put("drop-in.conf", "[Service]\nLimitNOFILE=4096\nEnvironment=B=1\n")
    jobs.fake_program("systemctl", SYSTEMCTL)
    settings = "/run/systemd/system/amikiln-job-.service.d/agent.conf"
    jobs.run("86-jobs", before=f"{BEFORE}; export ROOTS=x", after=f"{JOB} env; cat {settings}")
    environment, _, unit = jobs.left.partition("[Service]\n")
    assert "ROOTS=" not in environment
    assert "A=buildkite-agent.service\n" in environment
    assert f"HOME=/home/{OWNER}\n" in environment
    assert unit.splitlines() == [
        f"User={OWNER}",
        'Environment="BUILDKITE_AGENT_CONFIG=/opt/agent.cfg"      "A=buildkite-agent.service"',
        "UMask=0027",
        "LimitNOFILE=4096",
        "Environment=B=1",
        "RuntimeDirectoryPreserve=yes",
    ]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ([], ""),
        (["/units/buildkite-agent@.service"], "buildkite-agent@1.service\n"),
        (["/units/buildkite-agent-b.service"], "buildkite-agent-b.service\n"),
        (
            ["/units/buildkite-agent.service", "/units/buildkite-agent-b.service"],
            "buildkite-agent.service\n",
        ),
    ],
)
@pytest.mark.parametrize("masked", [False, True])
def test_the_agents_unit_is_found_unless_it_is_masked(
    files: list[str], found: str, masked: bool, jobs: RootFolder
) -> None:
    for file in files:
        jobs.put(file[1:], UNIT)
    jobs.fake_program("systemctl", SYSTEMCTL)
    # The folder that comes first counts, as for systemd.
    mask = "; ".join(f"ln -s /dev/null /etc/systemd/system/{Path(file).name}" for file in files)
    before = f"{BEFORE}; mkdir -p /etc/systemd/system; {mask if masked and mask else 'true'}"
    jobs.run("20-owner", before=before, after="cd /recipe; . ./lib.sh; find_agent_unit")
    assert jobs.left == ("" if masked else found)


def test_a_plugin_that_gives_another_configuration_does_not_hide_the_builder(
    jobs: RootFolder,
) -> None:
    (ran,) = jobs.run("86-jobs", before=BEFORE, after=f"JOB_WITH=plugin; {JOB} '{LOOK}'")
    assert ran.exit_code == 0
    assert jobs.left.splitlines() == ["", *FOUND]


def test_a_hook_that_fails_fails_the_job_and_is_named(jobs: RootFolder) -> None:
    jobs.put(HOOK[1:], "#!/bin/bash\nset -e\nfalse\n", 0o755)
    jobs.run("86-jobs", before=BEFORE, after=f"({JOB} 'echo hello') 2>&1 || echo $?")
    assert jobs.left.splitlines() == [
        f"the agent's hook {HOOK} failed with exit code 1, and with it each job",
        "1",
    ]


def test_what_the_hook_itself_chooses_counts(jobs: RootFolder) -> None:
    jobs.put(HOOK[1:], CHOOSING_HOOK, 0o755)
    jobs.run("86-jobs", before=BEFORE, after=f"{JOB} 'cat $DOCKER_CONFIG/buildx/*/* {CURRENT}'")
    assert jobs.left.splitlines() == [RECORD, '{"Name":"own"}']


def test_the_builders_of_other_dockers_are_left_to_them(jobs: RootFolder) -> None:
    jobs.put(HOOK[1:], "#!/bin/bash\nexport DOCKER_HOST=unix:///run/user/7/docker.sock\n", 0o755)
    jobs.run("86-jobs", before=BEFORE, after=f"{JOB} '{LOOK}'")
    current = render_current("unix:///run/user/7/docker.sock")
    assert jobs.left.splitlines()[2:] == [current, BUILDER * 3]
