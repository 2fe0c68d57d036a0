"""What a job finds: the baked builder, unless it makes one of its own."""

from __future__ import annotations

from amikiln.verify.checks.finding import Finding, Subject, failed, passed

DRIVERS = {"docker-container": "docker-container", "systemd": "remote"}
"""buildx's name for the driver, by the spec's."""

OWN_BUILDER = "amikiln-own"

CASES = {
    "named": "a job with --builder",
    "unnamed": "a job with no option",
    "home-folder": "a job with no DOCKER_CONFIG, if the agent's hooks give none",
    "plugin": "a job with a plugin that gives it another DOCKER_CONFIG",
    "beside-it": "a job beside one that uses a builder of its own",
}
"""What a job does that has to find the baked builder."""

HOOK_HINT = (
    "the agent's environment hook puts the builder into each job's buildx directory: see 86-jobs in"
    " the bake's log; was the hook replaced or its file removed after that, or at boot?"
)


def jobs_find_builder(subject: Subject) -> Finding:
    """Jobs get the baked builder, two at once too, and one with a builder of its own gets that."""
    buildkit = subject.plan.spec.buildkit
    rows = [row for row in subject.read_rows("sh -eu check-jobs.sh") if len(row) == 2]
    found = dict(rows)
    wanted = f"{buildkit.builder} {DRIVERS[buildkit.driver]} running"
    faults = [
        f"{what}: {found[case] or 'nothing'}"
        for case, what in CASES.items()
        if found[case] != wanted
    ]
    if found["own"].split()[:1] != [OWN_BUILDER]:
        faults.append(f"a job that made {OWN_BUILDER} and uses it: {found['own'] or 'nothing'}")
    if found["untouched"] != "yes":
        faults.append(f"{buildkit.builder} was started again or lost cache while jobs looked at it")
    # What the hook says, a job finds in its log, and nobody else.
    faults += sorted({said for case, said in rows if case == "said"})
    if faults:
        return failed("; ".join([*faults, f"wanted: {wanted}"]), HOOK_HINT)
    return passed(f"{len(CASES)} kinds of jobs: {wanted}; one with a builder of its own keeps that")
