"""Retire: what nothing needs any more is removed."""
