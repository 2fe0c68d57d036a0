"""amikiln bakes, proves, publishes and rolls out machine images for CI builders.

The names of ``__all__`` are what other programs may use. They are loaded when they are first used
(PEP 562), so that importing the package costs nothing; their types are in ``__init__.pyi``.
"""

from importlib import import_module

from amikiln.version import __version__

_PLACES = {
    "AmikilnError": "errors",
    "BakeError": "errors",
    "BakeResult": "model.result",
    "FleetGroup": "model.fleet",
    "ForceReason": "model.image",
    "Image": "model.image",
    "ImageFolder": "spec.load",
    "LeaseError": "errors",
    "Plan": "model.plan",
    "PlanFile": "model.plan_file",
    "PreflightError": "errors",
    "PublishError": "errors",
    "PublishResult": "model.image",
    "RolloutError": "errors",
    "Run": "model.run",
    "RunResult": "model.result",
    "Session": "session",
    "Spec": "spec.spec",
    "SpecError": "errors",
    "Status": "report.status",
    "Verdict": "model.verdict",
    "VerdictFile": "model.verdict",
    "VerifyError": "errors",
    "bake_image": "pipeline",
    "load": "spec.load:load_image",
    "make_plan": "plan.resolve:plan",
    "new_run": "pipeline",
    "open_session": "machine.ssh",
    "publish_image": "pipeline",
    "read_plan": "plan.file",
    "read_status": "report.status",
    "roll_out": "rollout.rollout",
    "run": "pipeline",
    "serialize_plan": "model.plan_file:serialize",
    "use_plan": "plan.reuse",
    "verify_image": "pipeline",
}
"""Where each public name is defined: its module, and its name there if that is another one."""

__all__ = ["__version__", *sorted(_PLACES)]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, name_there = _PLACES[name].partition(":")
    value = getattr(import_module(f"{__name__}.{module}"), name_there or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
