"""The command ``amikiln cloud content``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from amikiln.errors import LocalCloudError
from amikiln.localcloud import client
from amikiln.localcloud.content import put_stand_in
from amikiln.localcloud.home import CloudHome
from amikiln.report import reporter_for_stderr


class Generation(Enum):
    """Which of the stand-in's contents."""

    V1 = "v1"
    V2 = "v2"


def content(
    generation: Annotated[Generation, typer.Argument(help="v2 has one layer more than v1")],
) -> None:
    """Put other content under the CI image's tag, as every merge does; print its digest."""
    home = CloudHome.default()
    registry = client.status(home).registry
    if registry is None:
        raise LocalCloudError("the local cloud is not up", hint="amikiln cloud up")
    number = {Generation.V1: 1, Generation.V2: 2}[generation]
    print(put_stand_in(number, registry, home.cache, reporter_for_stderr()).digest)
