"""The version of amikiln; the build reads it here."""

__version__ = "0.1.0"
