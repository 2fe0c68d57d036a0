"""fleet.sh: a boot script runs as cloud-init runs it, is bounded, and what it wrote is shown."""

from __future__ import annotations

import pytest

from recipe.root_folder import RootFolder

SCRIPT = "usr/local/bin/bk-configure-docker.sh"


def ask(root: RootFolder, words: str) -> str:
    root.run("20-owner", before="groupadd -f docker", after=f"cd /recipe; sh -eu fleet.sh {words}")
    return root.left


def test_a_script_that_is_not_there_is_absent(root: RootFolder) -> None:
    assert ask(root, "boot 9 bk-configure-docker.sh A=b") == "absent\n"


def test_it_gets_the_fleets_variables_and_nothing_of_the_login(root: RootFolder) -> None:
    root.put(SCRIPT, "#!/bin/bash\nset -u\necho $A $PWD ${HOME:-none} ${CALLS:-none}; cat", 0o755)
    assert ask(root, "boot 9 bk-configure-docker.sh 'A=b c'") == "exit 0\nb c / none none\n"


def test_what_it_writes_to_the_stacks_log_is_shown_and_nothing_older(root: RootFolder) -> None:
    root.put("var/log/elastic-stack.log", "of the bake\n")
    root.put(
        SCRIPT, "#!/bin/bash\necho aloud; echo new >>/var/log/elastic-stack.log; exit 3\n", 0o755
    )
    assert ask(root, "boot 9 bk-configure-docker.sh") == "exit 3\naloud\nnew\n"


def test_one_that_hangs_is_stopped_with_what_it_started(root: RootFolder) -> None:
    root.put(SCRIPT, "#!/bin/bash\necho begun; sleep 1234567 & wait\n", 0o755)
    assert ask(root, "boot 1 bk-configure-docker.sh; pgrep -f 'sleep 1234567' || true") == (
        "exit 124\nbegun\n"
    )


@pytest.mark.parametrize("place", ["usr/bin", "usr/local/sbin", "usr/sbin"])
def test_other_places_are_looked_into(root: RootFolder, place: str) -> None:
    root.put(f"{place}/bk-configure-docker.sh", "#!/bin/sh\necho here\n", 0o755)
    assert ask(root, "boot 9 bk-configure-docker.sh") == "exit 0\nhere\n"


def test_one_that_is_not_executable_fails_as_it_would_on_the_fleet(root: RootFolder) -> None:
    root.put(SCRIPT, "#!/bin/sh\necho here\n", 0o644)
    assert ask(root, "boot 9 bk-configure-docker.sh").startswith("exit 126\n")


def test_each_programs_state_is_told(root: RootFolder) -> None:
    root.put("usr/local/bin/good", "#!/bin/sh\n", 0o755)
    root.put("usr/local/bin/plain", "#!/bin/sh\n", 0o644)
    root.put("usr/local/bin/void", "", 0o755)
    found = ask(root, "programs good plain void none")
    assert [line.split("\t") for line in found.splitlines()] == [
        ["good", "there", "/usr/local/bin/good"],
        ["plain", "not executable", "/usr/local/bin/plain"],
        ["void", "empty", "/usr/local/bin/void"],
        ["none", "missing", ""],
    ]
