"""``python -m amikiln``."""

from amikiln.cli import main

main()
