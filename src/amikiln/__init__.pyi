from amikiln.errors import AmikilnError as AmikilnError
from amikiln.errors import BakeError as BakeError
from amikiln.errors import LeaseError as LeaseError
from amikiln.errors import PreflightError as PreflightError
from amikiln.errors import PublishError as PublishError
from amikiln.errors import RolloutError as RolloutError
from amikiln.errors import SpecError as SpecError
from amikiln.errors import VerifyError as VerifyError
from amikiln.machine.ssh import open_session as open_session
from amikiln.model.fleet import FleetGroup as FleetGroup
from amikiln.model.image import ForceReason as ForceReason
from amikiln.model.image import Image as Image
from amikiln.model.image import PublishResult as PublishResult
from amikiln.model.plan import Plan as Plan
from amikiln.model.plan_file import PlanFile as PlanFile
from amikiln.model.plan_file import serialize as serialize_plan
from amikiln.model.result import BakeResult as BakeResult
from amikiln.model.result import RunResult as RunResult
from amikiln.model.run import Run as Run
from amikiln.model.verdict import Verdict as Verdict
from amikiln.model.verdict import VerdictFile as VerdictFile
from amikiln.pipeline import bake_image as bake_image
from amikiln.pipeline import new_run as new_run
from amikiln.pipeline import publish_image as publish_image
from amikiln.pipeline import run as run
from amikiln.pipeline import verify_image as verify_image
from amikiln.plan.file import read_plan as read_plan
from amikiln.plan.resolve import plan as make_plan
from amikiln.plan.reuse import use_plan as use_plan
from amikiln.report.status import Status as Status
from amikiln.report.status import read_status as read_status
from amikiln.rollout.rollout import roll_out as roll_out
from amikiln.session import Session as Session
from amikiln.spec.load import ImageFolder as ImageFolder
from amikiln.spec.load import load_image as load
from amikiln.spec.spec import Spec as Spec
from amikiln.version import __version__ as __version__

__all__ = [
    "AmikilnError",
    "BakeError",
    "BakeResult",
    "FleetGroup",
    "ForceReason",
    "Image",
    "ImageFolder",
    "LeaseError",
    "Plan",
    "PlanFile",
    "PreflightError",
    "PublishError",
    "PublishResult",
    "RolloutError",
    "Run",
    "RunResult",
    "Session",
    "Spec",
    "SpecError",
    "Status",
    "Verdict",
    "VerdictFile",
    "VerifyError",
    "__version__",
    "bake_image",
    "load",
    "make_plan",
    "new_run",
    "open_session",
    "publish_image",
    "read_plan",
    "read_status",
    "roll_out",
    "run",
    "serialize_plan",
    "use_plan",
    "verify_image",
]
