"""Every key of the spec is explained: in the schema that editors read, and on a page."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from amikiln.export import schema, spec_reference
from amikiln.spec import words
from amikiln.spec.spec import Spec

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "spec.md"
KEYS = [(table, key) for table in words.list_tables(Spec) for key in table.model_fields]
SCHEMA = json.loads(schema.render_spec_schema())
IDS = [f"{table.__name__}.{key}" for table, key in KEYS]


def test_the_page_that_is_checked_in_is_current() -> None:
    assert PAGE.read_text() == spec_reference.render_reference()


def test_there_are_keys_of_every_table() -> None:
    assert len(KEYS) > 90
    assert {"Source", "PasswordLogin", "BakeFile", "AllowedSecret", "Deadlines"} <= {
        table.__name__ for table, _ in KEYS
    }


@pytest.mark.parametrize(("table", "key"), KEYS, ids=IDS)
def test_every_key_has_a_text_in_the_code_and_in_the_schema(table: type, key: str) -> None:
    text = words.read_texts(table).get(key, "")
    assert len(text) > 10, "write a string below it that says what it is for"
    # What a user of Python sees is nothing that stands in a TOML file.
    assert not {"None", "tuple", "bool", "dict", "str"} & {*text.replace(":", " ").split()}
    part = SCHEMA if table is Spec else SCHEMA["$defs"][table.__name__]
    properties = part.get("anyOf", [part])[-1]["properties"]
    assert properties[key]["description"].startswith(text)


@pytest.mark.parametrize(("table", "key"), KEYS, ids=IDS)
def test_every_key_is_on_the_page_with_type_and_default(table: type, key: str) -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{key}` |")]
    text = words.read_texts(table)[key]
    if table is Spec and words.describe_type(Spec.model_fields[key]).startswith("table"):
        assert f"\n## {key}\n" in PAGE.read_text()
    else:
        (row,) = [row for row in rows if text.replace("|", "\\|") in row]
        kind, default = row.split(" | ")[1:3]
        assert kind != "anything"
        assert default


def test_the_examples_are_a_spec() -> None:
    text = "".join(spec_reference.EXAMPLES.values())
    tables = {name for name in spec_reference.EXAMPLES if name}
    assert tables == {
        name for name, field in Spec.model_fields.items() if spec_reference._is_table(field)
    }
    Spec.model_validate(tomllib.loads(text))


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("docker.images", "a list of strings"),
        ("docker.images.0", "a string"),
        ("docker.logins", 'a table of "ecr" or "docker" or tables'),
        ("mirrors", "a table of lists of strings"),
        ("warm.bake_files", "a list of strings or tables"),
        ("warm.bake_files.0", "a string or a table"),
        ("warm.target_args", "a table of tables of strings"),
        ("secrets.allow", "a list of tables"),
        ("buildkit.gc", "true or false"),
        ("network.connect", '"auto", "public", "private" or "session-manager"'),
        ("deprecate_days", "a whole number"),
        ("verify.minimum_speedup", "a number"),
    ],
)
def test_types_are_said_as_people_say_them(place: str, said: str) -> None:
    path = [int(part) if part.isdigit() else part for part in place.split(".")]
    assert words.describe_value(words.find_field(Spec, path)) == said
