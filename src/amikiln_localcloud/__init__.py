"""The local cloud: the AWS API on loopback, with instances that are real virtual machines.

The names of ``__all__`` are its public face. They are loaded when they are first used (PEP 562),
so that importing the package costs nothing; their types are in ``__init__.pyi``.
"""

from importlib import import_module

_MODULE_OF = {
    "Home": "home",
    "down": "control",
    "environment": "variables",
    "reset": "control",
    "status": "control",
    "up": "control",
}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
