"""What other tools take is printed."""

from __future__ import annotations

import json

import pytest

from cli.terminal import Terminal


@pytest.mark.parametrize("name", ["schema", "verdict-schema"])
def test_schemas_are_printed(terminal: Terminal, name: str) -> None:
    done = terminal.run("export", name)
    assert json.loads(done.stdout)["type"] == "object"
