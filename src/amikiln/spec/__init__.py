"""image.toml: its tables, read once, with all its faults at once."""
