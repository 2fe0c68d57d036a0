"""A throwaway root folder in which one step of the recipe runs by itself."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amikiln.machine.virtualization import CONTAINERS
from amikiln.recipe import render
from fakes import plan

# This machine's own root below, what is written above; both are gone with the mount namespace.
ENTER = """
set -eu
folder=$1
shift
mount -t tmpfs tmpfs "$folder/mount"
cd "$folder/mount"
mkdir written work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/written,workdir=$PWD/work" root
for place in proc dev; do mount --rbind "/$place" "root/$place"; done
cp -R "$folder/over/." root/
while [ $# -gt 0 ]; do
    if [ -d "$1" ]; then mkdir -p "root/$2"; else touch "root/$2"; fi
    mount --bind "$1" "root/$2"
    mount -o remount,ro,bind "root/$2"
    shift 2
done
mkdir -p root/results
mount --bind "$folder/results" root/results
exec chroot root sh -eu /results/script
"""

RUN = """
code=0
: >/results/calls.{time}
chmod 666 /results/calls.{time} # steps do some things as another user
CALLS=/results/calls.{time} sh -eu steps/{step}.sh >/results/said.{time} 2>&1 || code=$?
echo "$code" >/results/exit-code.{time}
"""


OWNER = "builder-owner"
"""Who owns the builder in the tests of steps; ``ADD_OWNER`` makes that user."""
ADD_OWNER = f"groupadd -f docker; id {OWNER} >/dev/null 2>&1 || useradd -m -G docker {OWNER}"
CONTAINER = "buildx_buildkit_baked-vllm-builder0"
"""What buildx calls the container of the builder ``baked-vllm-builder``."""

SYSTEMD_RUN = r"""
settings=/run/systemd/system/amikiln-job-.service.d/agent.conf
while [ $# -gt 0 ]; do
    case $1 in --setenv=*) export "${1#--setenv=}" ;; --*) ;; *) break ;; esac
    shift
done
user=$(sed -n 's/^User=//p' $settings)
home=$(getent passwd "$user" | cut -d: -f6)
cd "$home"
eval "set -- $(sed -n 's/^Environment=//p' $settings | tr '\n' ' ') \"\$@\""
exec runuser -u "$user" -- env -i HOME="$home" USER="$user" PATH="$PATH" CALLS="$CALLS" \
    AGENT_COMMAND_LINE="$AGENT_COMMAND_LINE" JOB_WITH="$JOB_WITH" "$@"
"""
"""Does with a job's settings what systemd does with users and environments."""


@dataclass(frozen=True)
class Ran:
    """What a step did: its exit code, what it said, and which fake programs it called."""

    exit_code: int
    said: str
    calls: list[str]


@dataclass
class RootFolder:
    """What lies over this machine's root, and what is left of it.

    Fake programs can keep things in the folder /state.

    Attributes:
        variables: For fake programs, which are shell scripts.
        shown: What of this machine is shown read-only in the root, by its path there.
        plan_changes: Top-level values of the spec that the recipe is rendered from.
        apart: Further namespaces that it has of its own, as options of unshare(1).
        left: What the last commands of ``run`` wrote.
    """

    place: Path
    variables: dict[str, str] = field(default_factory=dict)
    shown: dict[str, Path] = field(default_factory=dict)
    plan_changes: dict[str, Any] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    left: str = ""

    def put(self, path: str, content: str, mode: int = 0o644) -> None:
        """Lay a file over the root; the path has no leading slash."""
        file = self.place / "over" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(mode)

    def fake_program(self, program: str, script: str = "") -> None:
        """Put a program before the real one; it notes how it was called."""
        note = f'echo "{program} $*" >>"$CALLS"\n'
        self.put(f"fakes/{program}", f"#!/bin/sh\n{note}{script}\n", 0o755)

    def fake_machine(self, detected: str, processor: str = "Intel Xeon") -> None:
        """Let steps find another machine in systemd-detect-virt's answer and /proc/cpuinfo."""
        in_container = 0 if detected in CONTAINERS else 1
        self.put(
            "fakes/systemd-detect-virt",
            "#!/bin/sh\n"
            f'case "$*" in *--container*) exit {in_container} ;; esac\n'
            f"echo {detected}; [ {detected} != none ]\n",
            0o755,
        )
        self.put("cpu-facts", f"model name\t: {processor}\n")
        self.variables["CPU_FACTS"] = "/cpu-facts"

    def run(self, step: str, *, before: str = "", times: int = 1, after: str = "") -> list[Ran]:
        """Run a step in the recipe's folder, as the bake does, and return what each time gave.

        Args:
            step: Its file's name without the ending.
            before: Shell commands of the test's own.
            times: How often it runs, in the same root.
            after: Shell commands that look at the result.
        """
        for path, content in render.render_recipe(plan(**self.plan_changes)).files.items():
            self.put(f"recipe/{path}", content.decode())
        results = self.place / "results"
        (self.place / "mount").mkdir(exist_ok=True)
        results.mkdir(exist_ok=True)
        runs = "".join(RUN.format(step=step, time=time) for time in range(times))
        state = "mkdir /state; chmod 777 /state"
        script = f"CALLS=/dev/null; export CALLS; cd /recipe\n{state}\n{before}\n{runs}\n{after}\n"
        (results / "script").write_text(script)
        apart = ["unshare", "--mount", "--propagation", "private", *self.apart]
        shown = [str(word) for path, here in self.shown.items() for word in (here, path)]
        entered = subprocess.run(
            [*apart, "sh", "-c", ENTER, "sh", str(self.place), *shown],
            env={**self.variables, "PATH": "/fakes:/usr/sbin:/usr/bin:/sbin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert entered.returncode == 0, entered.stderr
        self.left = entered.stdout
        return [self._ran(time) for time in range(times)]

    def _ran(self, time: int) -> Ran:
        def read(name: str) -> str:
            file = self.place / "results" / f"{name}.{time}"
            return file.read_text() if file.exists() else ""

        return Ran(int(read("exit-code")), read("said"), read("calls").splitlines())
