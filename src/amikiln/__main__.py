"""``python -m amikiln``."""

from amikiln.cli.main import main

main()
