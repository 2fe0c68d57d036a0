"""Roll out: new machines use the published image."""
