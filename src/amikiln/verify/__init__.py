"""Verify: a machine booted from the image proves it."""
