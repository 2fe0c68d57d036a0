"""What other packages may use of the local cloud, and that it costs nothing until it is used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import amikiln_localcloud

PUBLIC = ["Home", "down", "environment", "reset", "status", "up"]

LIST_MODULES_AFTER_HELP = """
import json, sys
import amikiln_localcloud
package_alone = sorted(name for name in sys.modules if name.startswith("amikiln"))
from amikiln_localcloud import entry_point
from typer.testing import CliRunner
answer = CliRunner().invoke(entry_point.commands(), ["--help"])
assert answer.exit_code == 0 and "content" in answer.output, answer.output
print(json.dumps([package_alone, sorted(sys.modules)]))
"""


def test_the_public_names() -> None:
    assert sorted(amikiln_localcloud.__all__) == PUBLIC
    assert set(PUBLIC) <= set(dir(amikiln_localcloud))
    for name in PUBLIC:
        assert callable(getattr(amikiln_localcloud, name))
    with pytest.raises(AttributeError, match="has no attribute 'Cloud'"):
        _ = amikiln_localcloud.Cloud  # type: ignore[attr-defined]


def test_a_name_is_the_one_of_its_module() -> None:
    from amikiln_localcloud import control, home, variables

    assert amikiln_localcloud.up is control.up
    assert amikiln_localcloud.Home is home.Home
    assert amikiln_localcloud.environment is variables.environment


def test_neither_the_import_nor_help_loads_what_a_cloud_needs() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", LIST_MODULES_AFTER_HELP], capture_output=True, text=True, check=True
    )
    package_alone, after_help = json.loads(shown.stdout)
    assert package_alone == ["amikiln_localcloud"]
    loaded = {name.split(".")[0] for name in after_help}
    assert not loaded & {"moto", "boto3", "botocore", "pydantic", "flask", "werkzeug"}
    assert "amikiln_localcloud.control" not in after_help
