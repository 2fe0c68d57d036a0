"""The command line: commands, options, output; the one place where errors become text."""
