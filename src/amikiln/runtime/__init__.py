"""Subprocesses, waiting, progress, clean-up, cached work, directories."""
