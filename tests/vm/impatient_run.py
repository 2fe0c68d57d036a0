"""``amikiln`` whose machines may end before it is done with them, which a spec is refused for."""

from __future__ import annotations

from unittest.mock import patch

from amikiln.cli.main import main

if __name__ == "__main__":
    with patch("amikiln.spec.contradictions.find_contradictions", return_value=[]):
        main()
