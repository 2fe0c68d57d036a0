"""The checks of verify: each one finds what it is for, and nothing is passed unseen."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from amikiln.model.verdict import Outcome
from amikiln.recipe import render
from amikiln.runtime.guest import GuestCommandFailed, Login
from amikiln.verify.checks import run as checks
from amikiln.verify.checks.own import own_check
from amikiln.verify.checks.secrets import no_secrets
from fakes import STORE, FakeGuest, Script, failing, obey, plan, rawjson

LOGIN = Login("127.0.1.2", "ec2-user", Path("unused"))


@pytest.fixture
def script() -> Script:
    script = Script()
    obey(script, plan())
    return script


def subject(script: Script) -> checks.Subject:
    return of_guest(FakeGuest(LOGIN, script))


def of_guest(guest: FakeGuest, **changes: object) -> checks.Subject:
    planned = plan(**changes)
    return checks.Subject(guest, planned, planned.digest)


@pytest.mark.parametrize("check", checks.ALL)
def test_a_good_machine_passes(check: checks.Check, script: Script) -> None:
    result = checks.carry_out(check, subject(script))
    assert (result.outcome, result.hint) == (Outcome.PASS, "")
    assert result.evidence


def other_policy(script: Script) -> None:
    script.builder[1] = "no"


def other_network(script: Script) -> None:
    script.builder[2] = "bridge"


def other_buildkit(script: Script) -> None:
    script.builder[3] = "moby/buildkit:latest"


def no_builder(script: Script) -> None:
    script.builder = []


def default_builder_in_use(script: Script) -> None:
    script.owner_builder = "default"


def collecting_garbage(script: Script) -> None:
    script.toml = script.toml.replace(b"gc = false", b"gc = true")


def worker_with_rules(script: Script) -> None:
    script.worker_rules = "GC Policy rule#0:\n All: false\n Keep Duration: 48h0m0s\n"


def planned_otherwise(script: Script) -> None:
    script.planned = {**script.planned, "digest": "e" * 64}


def images_missing(script: Script) -> None:
    script.planned = {**script.planned, "images": {}}


def another_data_root(script: Script) -> None:
    script.docker_store = "overlay2 /mnt/ephemeral/docker"


def another_storage_driver(script: Script) -> None:
    script.docker_store = "overlayfs /var/lib/docker"


def smaller_store(script: Script) -> None:
    script.store = json.dumps({**STORE, "bytes": STORE["bytes"] - 1}) + "\n"


def fewer_records(script: Script) -> None:
    script.store = json.dumps({**STORE, "records": 3}) + "\n"


def database_set_aside(script: Script) -> None:
    script.store += "/var/lib/buildkit/cache.db.0abc.bak\n"


def something_prunes(script: Script) -> None:
    script.pruners = "always\tdocker-gc.timer\t/usr/local/bin/docker-gc\n"


def full_disk(script: Script) -> None:
    script.free_kib = 5 * 1024**2 - 1


def no_inodes(script: Script) -> None:
    script.free_inodes = 249_999


def one_step_missed(script: Script) -> None:
    script.warm = rawjson(("[2/2] RUN make", None), ("[3/3] COPY . .", 0.1))


def a_build_that_is_cached_from_elsewhere_and_slow(script: Script) -> None:
    script.cold = rawjson(("[2/2] RUN make", 1.0))
    script.warm = rawjson(("[2/2] RUN make", 0.5))


def no_record_of_the_bakes_build(script: Script) -> None:
    script.cold = ""


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        (checks.store_kept, smaller_store),
        (checks.store_kept, fewer_records),
        (checks.store_kept, database_set_aside),
        (checks.nothing_prunes, something_prunes),
        (checks.docker_as_baked, another_data_root),
        (checks.docker_as_baked, another_storage_driver),
        (checks.room_on_disk, full_disk),
        (checks.room_on_disk, no_inodes),
        (checks.builds_are_warm, one_step_missed),
        (checks.builds_are_warm, a_build_that_is_cached_from_elsewhere_and_slow),
        (checks.builds_are_warm, no_record_of_the_bakes_build),
        (checks.builder_up, other_policy),
        (checks.builder_up, other_network),
        (checks.builder_up, other_buildkit),
        (checks.builder_up, no_builder),
        (checks.builder_answers, default_builder_in_use),
        (checks.builder_answers, worker_with_rules),
        (checks.builder_configured, collecting_garbage),
        (checks.manifest_as_planned, planned_otherwise),
        (checks.images_present, images_missing),
    ],
    ids=lambda value: value.__name__,
)
def test_a_spoilt_machine_fails_with_evidence_and_a_hint(
    check: checks.Check, spoil: Callable[[Script], None], script: Script
) -> None:
    spoil(script)
    result = checks.carry_out(check, subject(script))
    assert result.outcome is Outcome.FAIL
    assert result.evidence
    assert result.hint


def test_a_configuration_written_in_another_order_is_the_same(script: Script) -> None:
    script.toml = b"[worker.oci]\ngc = false\nmax-parallelism = 16\n"
    result = checks.carry_out(checks.builder_configured, subject(script))
    assert result.outcome is Outcome.PASS


def test_failed_units_are_named() -> None:
    class Degraded(FakeGuest):
        def run(self, command: str, *, input: bytes | None = None, timeout_seconds: float) -> str:
            if "list-units" in command:
                return "docker.service loaded failed failed Docker\n"
            return "degraded\n"

    result = checks.carry_out(checks.boot_finished, of_guest(Degraded(LOGIN, Script())))
    assert result.outcome is Outcome.FAIL
    assert "degraded" in result.evidence
    assert "docker.service" in result.evidence


@pytest.mark.parametrize("check", checks.ALL)
def test_a_check_whose_command_fails_is_unknown(check: checks.Check, script: Script) -> None:
    script.refuse = failing("")
    result = checks.carry_out(check, subject(script))
    assert result.outcome is Outcome.UNKNOWN
    assert "it broke" in result.evidence


@pytest.mark.parametrize("check", [checks.builder_configured, checks.manifest_as_planned])
def test_an_answer_that_cannot_be_read_is_unknown(check: checks.Check) -> None:
    class Garbled(FakeGuest):
        def run(self, command: str, *, input: bytes | None = None, timeout_seconds: float) -> str:
            return "!?"

    result = checks.carry_out(check, of_guest(Garbled(LOGIN, Script())))
    assert result.outcome is Outcome.UNKNOWN


def test_warmth_is_told_in_steps_time_and_seconds(script: Script) -> None:
    passed = checks.carry_out(checks.builds_are_warm, subject(script))
    assert passed.evidence == (
        "2 of 2 steps are hits, and 100% of their time; 0.0 s, and 30.5 s at the bake"
    )
    one_step_missed(script)
    failed = checks.carry_out(checks.builds_are_warm, subject(script))
    assert "1 of 2 steps are hits, and 98% of their time" in failed.evidence
    assert (failed.figures["hits"], failed.figures["cold_seconds"]) == (1.0, 30.5)
    assert failed.evidence.endswith("missed: [3/3] COPY . .")


def test_a_spec_may_ask_for_less(script: Script) -> None:
    one_step_missed(script)
    lenient = of_guest(FakeGuest(LOGIN, script), verify={"minimum_hit_share": 0.5})
    assert checks.carry_out(checks.builds_are_warm, lenient).outcome is Outcome.PASS


def test_a_spec_without_a_warm_build_proves_nothing(script: Script) -> None:
    unwarmed = of_guest(FakeGuest(LOGIN, script), warm=None)
    result = checks.carry_out(checks.builds_are_warm, unwarmed)
    assert result.outcome is Outcome.FAIL
    assert "no [warm]" in result.evidence


def test_a_build_without_steps_proves_nothing(script: Script) -> None:
    script.warm = rawjson(("[internal] load build context", 1.0), ("[1/1] FROM base", 2.0))
    result = checks.carry_out(checks.builds_are_warm, subject(script))
    assert result.outcome is Outcome.UNKNOWN


def test_a_tag_of_another_digest_is_no_plan_of_ours(script: Script) -> None:
    relabelled = checks.Subject(FakeGuest(LOGIN, script), plan(), "e" * 64)
    result = checks.carry_out(checks.manifest_as_planned, relabelled)
    assert result.outcome is Outcome.FAIL
    assert "e" * 64 in result.evidence


@pytest.mark.parametrize(
    ("exit_code", "outcome"),
    [(1, Outcome.FAIL), (2, Outcome.FAIL), (75, Outcome.UNKNOWN), (None, Outcome.UNKNOWN)],
)
def test_an_own_check_says_by_its_exit_code_what_it_found(
    script: Script, exit_code: int | None, outcome: Outcome
) -> None:
    def refuse(command: str) -> None:
        raise GuestCommandFailed(command, exit_code, "looking\nno /models here\n")

    script.refuse = refuse
    result = checks.carry_out(own_check("models-there", b"test -d /models\n"), subject(script))
    assert (result.name, result.outcome) == ("own-models-there", outcome)
    assert result.evidence == f"no /models here (exit code {exit_code})"
    assert "checks/models-there.sh" in result.hint


def test_an_own_check_is_a_script_over_stdin(script: Script) -> None:
    planned = dataclasses.replace(plan(), own_checks={"models": b"echo 3 models\n"})
    (own,) = set(checks.of(planned)) - set(checks.ALL)
    assert checks.carry_out(own, subject(script)).outcome is Outcome.PASS
    assert b"echo 3 models\n" in script.sent.values()


def found_by_the_short_list(script: Script) -> None:
    script.short_list = "open\tregistry-login\t/root/.docker/config.json\ndone\n"


def left_open_by_the_scan(script: Script) -> None:
    script.manifest = {"scan": {"open": 2}}


@pytest.mark.parametrize("spoil", [found_by_the_short_list, left_open_by_the_scan])
def test_a_secret_fails(spoil: Callable[[Script], None], script: Script) -> None:
    spoil(script)
    result = checks.carry_out(no_secrets, subject(script))
    assert (result.outcome, bool(result.hint)) == (Outcome.FAIL, True)


def test_an_image_that_was_never_scanned_is_unknown(script: Script) -> None:
    script.manifest = {"scan": None}
    result = checks.carry_out(no_secrets, subject(script))
    assert result.outcome is Outcome.UNKNOWN


def test_a_short_list_that_broke_off_is_unknown(script: Script) -> None:
    script.short_list = ""
    result = checks.carry_out(no_secrets, subject(script))
    assert result.outcome is Outcome.UNKNOWN


def test_what_the_spec_allows_passes(script: Script) -> None:
    script.short_list = "allowed\tprivate-key\t/opt/key\ta key that opens nothing\ndone\n"
    result = checks.carry_out(no_secrets, subject(script))
    assert result.outcome is Outcome.PASS


def test_a_store_that_grew_is_kept(script: Script) -> None:
    script.store = json.dumps({"records": 18, "bytes": STORE["bytes"] + 1}) + "\n"
    assert checks.carry_out(checks.store_kept, subject(script)).outcome is Outcome.PASS


def test_the_low_disk_clean_up_is_named_and_no_fault(script: Script) -> None:
    script.pruners = "low-disk\tdocker-low-disk-gc.timer\t/usr/local/bin/docker-low-disk-gc\n"
    result = checks.carry_out(checks.nothing_prunes, subject(script))
    assert result.outcome is Outcome.PASS
    assert "docker-low-disk-gc.timer" in result.evidence


SERVICE_SAID = """state active
at-boot enabled
restart always
program /opt/buildkit/bin/buildkitd
nice 10
oom -500
files 1048576/1048576
weight 25
image {}
programs as-baked
"""


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (SERVICE_SAID, Outcome.PASS),
        (SERVICE_SAID.replace("{}", "moby/buildkit@sha256:0abc"), Outcome.FAIL),
        (SERVICE_SAID.replace("state active", "state failed"), Outcome.FAIL),
        (SERVICE_SAID.replace("enabled", "disabled"), Outcome.FAIL),
        (SERVICE_SAID.replace("weight 25", "weight 100"), Outcome.FAIL),
        (SERVICE_SAID.replace("as-baked", "changed"), Outcome.FAIL),
        (SERVICE_SAID.replace("/opt/buildkit", "/usr"), Outcome.FAIL),
        ("", Outcome.FAIL),
    ],
)
def test_the_service_is_up_as_it_was_baked(said: str, outcome: Outcome) -> None:
    class Served(FakeGuest):
        def run(self, command: str, **options: object) -> str:  # type: ignore[override]
            return said.format(planned.buildkit.by_digest)

    planned = plan(buildkit={"builder": "baked", "driver": "systemd"})
    result = checks.carry_out(
        checks.builder_up, checks.Subject(Served(LOGIN, Script()), planned, planned.digest)
    )
    assert result.outcome is outcome


def test_the_services_builder_is_a_remote_one(script: Script) -> None:
    served = of_guest(
        FakeGuest(LOGIN, script), buildkit={"builder": "baked-vllm-builder", "driver": "systemd"}
    )
    failed = checks.carry_out(checks.builder_answers, served)
    assert "wanted: baked-vllm-builder remote running gc off" in failed.evidence


START = "/opt/buildkit/bin/buildkitd --config /etc/buildkit/buildkitd.toml --group docker"


@pytest.mark.parametrize(
    ("facts", "changes", "outcome"),
    [
        (f"100 99 {START}", {}, Outcome.PASS),
        (f"100 100 {START}", {}, Outcome.PASS),
        (f"100 101 {START}", {}, Outcome.FAIL),
        ("100 99 /opt/buildkit/bin/buildkitd --config /etc/other.toml", {}, Outcome.FAIL),
        (f"100 99 {START}", {"max_parallelism": 2}, Outcome.FAIL),
        ("", {}, Outcome.UNKNOWN),
    ],
)
def test_the_services_configuration_is_the_one_it_started_with(
    facts: str, changes: dict[str, object], outcome: Outcome
) -> None:
    class Served(FakeGuest):
        def run(self, command: str, **options: object) -> str:  # type: ignore[override]
            return (
                facts
                if "MainPID" in command
                else render.render_buildkitd_toml(planned.spec.buildkit)
            )

    buildkit = {"builder": "baked", "driver": "systemd"}
    planned = plan(buildkit=buildkit)
    wanted = plan(buildkit=buildkit | changes)
    served = checks.Subject(Served(LOGIN, Script()), wanted, wanted.digest)
    assert checks.carry_out(checks.builder_configured, served).outcome is outcome


def test_a_builder_of_roots_is_called_that(script: Script) -> None:
    class Rooted(FakeGuest):
        def run(self, command: str, **options: object) -> str:  # type: ignore[override]
            if "/root/.docker/buildx/instances/baked-vllm-builder" in command:
                return "roots\n"
            return super().run(command, **options)  # type: ignore[arg-type]

    script.owner_builder = "default"
    result = checks.carry_out(checks.builder_answers, of_guest(Rooted(LOGIN, script)))
    assert "root has one of this name" in result.evidence
