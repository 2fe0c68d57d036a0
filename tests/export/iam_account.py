"""An account whose user may do what the exported policy allows, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from amikiln.export import iam_policy
from amikiln.export.iam_policy import Scope
from amikiln.model.result import RunResult
from export.iam_simulator import ACCOUNT
from fakes import spec
from harness import Harness
from localcloud.enforcement import Policy

SPEC = spec()
POLICY: Policy = iam_policy.build_policy(Scope(SPEC, ACCOUNT))


@dataclass(frozen=True)
class Account:
    """An account that all tests of a file share.

    Attributes:
        harness: The user's session; its own clients are an administrator's.
        allow: Gives the user another policy in the place of the one before.
        first: What the user's first whole cycle did, with ``POLICY``.
    """

    harness: Harness
    allow: Callable[[Policy], None]
    first: RunResult
