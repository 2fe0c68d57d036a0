"""What README.md promises is what the code has."""

from __future__ import annotations

import re
from pathlib import Path

from amikiln import errors

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_listed_exit_codes_are_those_of_the_errors() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.AmikilnError)}
    assert listed == codes | {0, errors.INTERRUPTED_EXIT_CODE}
