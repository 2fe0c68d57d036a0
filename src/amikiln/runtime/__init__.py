"""Subprocesses, waiting, progress, clean-up, cached work, files and directories."""
