"""What every command's help has: an example that works, values by name, variables, -h, --set."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cli.command_tree import list_commands, walk
from cli.terminal import Terminal

REPOSITORY = Path(__file__).parents[2]
COMMANDS = list_commands()
GROUPS = [words for words, command, _ in walk() if hasattr(command, "list_commands")]
NARROW, WIDE = 60, 120
INTERNAL = {"AMIKILN_READY_DESCRIPTOR"}
"""Between the local cloud's daemon and who starts it."""


def read_help(terminal: Terminal, words: str, width: int = WIDE) -> str:
    terminal.set(COLUMNS=width)
    done = terminal.run(*words.split()[1:], "-h")
    assert done.returncode == 0
    return done.stdout


def read_examples(text: str) -> list[str]:
    """Return the command lines of a help's example, continued lines joined."""
    block = text.partition("  Example:\n")[2].partition("\n\n")[0]
    joined = re.sub(r" *\\\n *", " ", block)
    return [line.strip() for line in joined.splitlines()]


@pytest.mark.parametrize("words", [words for words, _, _ in walk()])
def test_h_is_help(terminal: Terminal, words: str) -> None:
    text = read_help(terminal, words)
    assert text == terminal.run(*words.split()[1:], "--help").stdout
    assert text.startswith(f"Usage: {words} ")


@pytest.mark.parametrize("words", COMMANDS)
def test_the_example_can_be_typed(terminal: Terminal, words: str) -> None:
    examples = read_examples(read_help(terminal, words, NARROW))
    assert examples
    for example in examples:
        own = example.removeprefix('eval "$(').removesuffix(')"').partition(" > ")[0]
        typed = shlex.split(own)
        assert typed[: len(words.split())] == words.split()
        # Refuses what it does not know, and an option without its value.
        COMMANDS[words].make_context(words, typed[len(words.split()) :])


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("words", [words for words, _, _ in walk()])
def test_help_fits_and_names_its_values(terminal: Terminal, words: str, width: int) -> None:
    text = read_help(terminal, words, width)
    assert [line for line in text.splitlines() if len(line) > width] == []
    assert re.findall(r"<\w+>|[{}]", text) == []


@pytest.mark.parametrize("words", GROUPS)
def test_no_command_is_cut_off_in_its_groups_list(terminal: Terminal, words: str) -> None:
    listed = read_help(terminal, words, NARROW).partition("Commands:\n")[2].splitlines()
    assert listed
    assert [line for line in listed if line.endswith("...")] == []


def test_a_command_that_reads_a_spec_can_change_it() -> None:
    reading = {
        words
        for words, command in COMMANDS.items()
        if any(parameter.metavar == "IMAGE" for parameter in command.params)
    }
    assert {"amikiln status", "amikiln export terraform"} <= reading
    changing = {
        words
        for words, command in COMMANDS.items()
        if any("--set" in parameter.opts for parameter in command.params)
    }
    assert reading - changing == set()


def test_a_changed_value_is_what_is_exported(terminal: Terminal) -> None:
    image = REPOSITORY / "images" / "cpu-build"
    for words in (("export", "terraform"), ("export", "iam-policy")):
        done = terminal.run(*words, image, "--set", "publish.parameter=/ci/another")
        assert (done.returncode, "/ci/another" in done.stdout) == (0, True), done.stderr


def find_variables() -> set[str]:
    """Return the variables of amikiln's own that the code reads."""
    text = "\n".join(
        file.read_text() for file in (REPOSITORY / "src").rglob("*.py") if "guest" not in file.parts
    )
    return set(re.findall(r"\"(AMIKILN_[A-Z_]+)\"", text)) - INTERNAL


def test_every_variable_is_documented_and_in_the_help(terminal: Terminal) -> None:
    variables = find_variables()
    assert {"AMIKILN_LOCAL", "AMIKILN_CACHE"} <= variables
    page = (REPOSITORY / "docs" / "commands.md").read_text()
    table = page.partition("## Environment variables")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([A-Z_]+)", table, re.M))
    assert variables == {name for name in documented if name.startswith("AMIKILN_")}
    helps = "\n".join(read_help(terminal, words) for words, _, _ in walk())
    assert documented - set(re.findall(r"[A-Z_]+", helps)) == set()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_lists_commands_and_options_without_anything_heavy(shell: str) -> None:
    program = """
import sys
from amikiln.cli.main import main
try:
    main()
finally:
    print("heavy:", *sorted(sys.modules.keys() & {"boto3", "botocore", "jinja2", "moto", "yaml"}))
"""

    def complete(*words: str) -> str:
        variables = {
            "_AMIKILN_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
            "_TYPER_COMPLETE_ARGS": " ".join(words),
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        listed, _, heavy = done.stdout.partition("heavy:")
        assert heavy.split() == []
        return listed

    assert "rollout" in complete("amikiln", "ro")
    assert "--lease-wait" in complete("amikiln", "run", "--lease")
    assert "stack-template" in complete("amikiln", "cloud", "stack")
