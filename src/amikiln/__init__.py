"""amikiln bakes, proves, publishes and rolls out machine images for CI builders."""

__version__ = "0.1.0"
