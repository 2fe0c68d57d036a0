"""Publish: the pointer names the proven image."""
