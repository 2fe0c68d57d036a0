"""The registry that machines pull from, and what it serves."""
