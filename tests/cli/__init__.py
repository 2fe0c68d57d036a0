"""A package of its own: python-hcl2 installs another one called ``cli``."""
