"""Packer's template and recipe, written from a spec."""
