"""`amikiln doctor` as its user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.terminal import IMAGE, Terminal


def test_without_credentials_it_says_so_among_all_else_and_exits_with_3(terminal: Terminal) -> None:
    done = terminal.run("doctor", IMAGE)
    assert done.returncode == 3
    assert "missing  account: there are no AWS credentials" in done.stdout
    assert "-> `aws configure`" in done.stdout
    assert "ssh: OpenSSH" in done.stdout
    assert "whether it can be planned cannot be told" in done.stdout
    assert "error: missing: account" in done.stderr


def test_an_account_that_answers_is_named(terminal: Terminal, cloud: Any) -> None:
    terminal.use(cloud.endpoint)
    done = terminal.run("doctor", "--json")
    found = {one["what"]: one for one in json.loads(done.stdout)}
    assert (done.returncode, found["credentials"]["level"]) == (0, "ok")
    assert "this works on the local cloud" in found["environment"]["says"]


def test_a_faulty_spec_is_a_finding_and_not_the_end(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "image.toml").write_text('name = "CPU"\n')
    done = terminal.run("doctor", tmp_path, "--json")
    found = {one["what"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 3
    assert 'name: "CPU": is not allowed' in found["spec"]["says"]
    assert found["account"]["level"] == "missing"
