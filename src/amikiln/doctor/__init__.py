"""Doctor: what is missing on this machine, in this account and in this spec, and what mends it."""
