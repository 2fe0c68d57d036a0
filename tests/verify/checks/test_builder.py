"""The builder: up as it was baked, in use, configured as planned, and safe from pruning."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amikiln.model.verdict import Outcome
from fakes import Script
from verify.checks.conftest import RunCheck


def use_other_policy(script: Script) -> None:
    script.builder[1] = "no"


def use_other_network(script: Script) -> None:
    script.builder[2] = "bridge"


def use_other_buildkit(script: Script) -> None:
    script.builder[3] = "moby/buildkit:latest"


def remove_builder(script: Script) -> None:
    script.builder = []


def use_default_builder(script: Script) -> None:
    script.owner_builder = "default"


def add_worker_rules(script: Script) -> None:
    script.worker_rules = "GC Policy rule#0:\n All: false\n Keep Duration: 48h0m0s\n"


def collect_garbage(script: Script) -> None:
    script.toml = script.toml.replace(b"gc = false", b"gc = true")


def prune_by_timer(script: Script) -> None:
    script.pruners = "always\tdocker-gc.timer\t/usr/local/bin/docker-gc\n"


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        ("builder-up", use_other_policy),
        ("builder-up", use_other_network),
        ("builder-up", use_other_buildkit),
        ("builder-up", remove_builder),
        ("builder-answers", use_default_builder),
        ("builder-answers", add_worker_rules),
        ("builder-configured", collect_garbage),
        ("nothing-prunes", prune_by_timer),
    ],
)
def test_a_spoilt_builder_fails_with_a_hint(
    check: str, spoil: Callable[[Script], None], script: Script, run: RunCheck
) -> None:
    spoil(script)
    result = run(check)
    assert result.outcome is Outcome.FAIL
    assert result.evidence
    assert result.hint


def test_a_configuration_written_in_another_order_is_the_same(
    script: Script, run: RunCheck
) -> None:
    worker = b"[worker.oci]\ngc = false\nmax-parallelism = 16\n"
    script.toml = b'insecure-entitlements = ["network.host"]\n' + worker
    assert run("builder-configured").outcome is Outcome.PASS


def test_the_low_disk_clean_up_is_named_and_not_a_fault(script: Script, run: RunCheck) -> None:
    script.pruners = "low-disk\tdocker-low-disk-gc.timer\t/usr/local/bin/docker-low-disk-gc\n"
    result = run("nothing-prunes")
    assert result.outcome is Outcome.PASS
    assert "docker-low-disk-gc.timer" in result.evidence


def test_jobs_that_use_another_builder_are_told_of_the_hook(script: Script, run: RunCheck) -> None:
    use_default_builder(script)
    assert "environment hook" in run("builder-answers").hint
