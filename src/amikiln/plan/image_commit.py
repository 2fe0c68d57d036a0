"""The commit that a container image was built from, as its annotations or labels say.

https://github.com/opencontainers/image-spec/blob/main/annotations.md
"""

from __future__ import annotations

import re

from amikiln.errors import PreflightError
from amikiln.model.plan import PinnedImage
from amikiln.plan import registries
from amikiln.plan.registry_access import RegistryAccess
from amikiln.runtime import process
from amikiln.spec.types import COMMIT

HINT = "correct warm.commit_from or warm.commit_label, or let the image's build write it"


def find_commit(image: PinnedImage, label: str, architecture: str, access: RegistryAccess) -> str:
    """Return the commit that an image names.

    An annotation of the index or manifest counts more than a label: labels are inherited from the
    image that it was built on, and annotations are not.

    Args:
        image: The image; its digest is asked for, so no push changes the answer.
        label: The key of the annotation or label.
        architecture: Which of the image's platforms is asked, as in the spec.
        access: How registries are asked.

    Raises:
        PreflightError: It has no such key, the value is no commit, or the registry does not answer.
    """
    try:
        notes = registries.read_notes(image, architecture, access)
    except (process.CommandFailed, registries.Fault) as error:
        tail = error.tail.strip() if isinstance(error, process.CommandFailed) else str(error)
        raise PreflightError(
            f"cannot read what {image.by_digest} was built from: {tail}",
            hint="where a login is needed, name it in [docker.logins]",
        ) from error
    for where, values in notes:
        if label in values:
            value = str(values[label]).strip().lower()
            if re.fullmatch(COMMIT, value):
                return value
            raise PreflightError(
                f"{image.reference} ({image.digest}): its {where} {label} is {values[label]!r},"
                " and no commit of 40 or 64 hexadecimal digits",
                hint=HINT,
            )
    others = sorted({key for _, values in notes for key in values})
    raise PreflightError(
        f"{image.reference} ({image.digest}) has no annotation and no label {label}"
        f"; it has {', '.join(others) or 'none'}",
        hint=HINT,
    )
