"""The pointer: the SSM parameter that names the image that new machines use."""

from __future__ import annotations

import re

from amikiln.aws.parameter_names import find_name_faults
from amikiln.aws.parameters import Parameter
from amikiln.catalog.lease import Lease
from amikiln.errors import PublishError
from amikiln.model.image import PublishResult
from amikiln.session import Session
from amikiln.spec.spec import Spec

READ_BACK_SECONDS = 120
MOST_VERSIONS = 100
"""SSM keeps so many of a parameter, and drops the oldest for the next, unless that has a label.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-versions.html
"""
AN_IMAGE = "ami-0123456789abcdef0"


class Pointer:
    """A spec's pointer, as it is in the cloud.

    Args:
        spec: Names the parameter, and says which data type it is to have.
        session: Where it is.
    """

    def __init__(self, spec: Spec, session: Session) -> None:
        self._parameters = session.cloud.parameters
        self._session = session
        self._data_type = spec.publish.data_type
        self._tags = spec.tags
        self.name = spec.pointer

    @property
    def reference(self) -> str:
        """What a launch template names as its image, so that EC2 reads the pointer at each launch.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html
        """
        return f"resolve:ssm:{self.name}"

    def read(self) -> Parameter | None:
        """Return the newest version; None: nothing was published yet."""
        return self._parameters.get(self.name)

    def read_history(self) -> list[str]:
        """Return the image ids of all versions that AWS keeps: 100 at most."""
        return [version.value for version in self._parameters.read_history(self.name)]

    def read_if_at(self, image_id: str) -> PublishResult | None:
        """Return what the pointer says if it names this image, else None."""
        now = self.read()
        if now is None or now.value != image_id:
            return None
        return PublishResult(self.name, now.version, image_id, None)

    def find_faults(self) -> list[str]:
        """Return why a run could not move the pointer; nothing: it can."""
        cloud = self._session.cloud
        if faults := list(find_name_faults(self.name, cloud.region, cloud.account)):
            return faults
        history = self._parameters.read_history(self.name)
        if not history:
            return []
        oldest, newest = history[0], history[-1]
        faults = [fault] if (fault := self._find_type_fault(newest)) else []
        if len(history) >= MOST_VERSIONS and oldest.labels:
            faults.append(
                f"{self.name} has {len(history)} versions, and SSM writes no other: it would have"
                f" to drop version {oldest.version}, which has the label"
                f" {', '.join(oldest.labels)}: move that to a newer version, with"
                " `aws ssm label-parameter-version`"
            )
        pattern = newest.allowed_pattern
        if pattern and not re.search(pattern, AN_IMAGE):
            faults.append(
                f"{self.name} allows only values that match {pattern}, which no image's id does:"
                " change its AllowedPattern, or set publish.parameter to another path"
            )
        return faults

    def move(self, image_id: str, lease: Lease) -> PublishResult:
        """Let the pointer name an image, and read it back until it does.

        Nothing is written where it names this image already.

        Args:
            image_id: The AMI; whether it may be published is the caller's to know.
            lease: Checked before the write.

        Raises:
            PublishError: The parameter is of another data type, or somebody else wrote it too.
            LeaseError: Another run has taken over.
            DeadlinePassed: The value did not arrive.
        """
        before = self.read()
        if fault := self._find_type_fault(before):
            raise PublishError(fault)
        if before is not None and before.value == image_id:
            self._session.report.line(
                f"{self.name} is {image_id} already (version {before.version})"
            )
            return PublishResult(self.name, before.version, image_id, None)
        lease.check()
        version = self._write(image_id, is_new=before is None)
        self._wait_for(image_id, version)
        previous = before.value if before is not None else None
        self._session.report.line(
            f"{self.name} is {image_id} (version {version}; before: {previous or 'nothing'})"
        )
        return PublishResult(self.name, version, image_id, previous)

    def _write(self, image_id: str, *, is_new: bool) -> int:
        """Write the pointer and return the version that it has by that."""
        if not (is_new and self._tags):
            return self._parameters.put(self.name, image_id, data_type=self._data_type)
        created = self._parameters.create(
            self.name, image_id, self._tags, data_type=self._data_type
        )
        # Where the answer to an earlier try was lost, it is our own that is there.
        if not created and ((now := self.read()) is None or now.value != image_id):
            raise PublishError(
                f"{self.name} was created by somebody else meanwhile",
                hint="find out who writes this parameter besides amikiln",
            )
        return 1

    def _wait_for(self, image_id: str, version: int) -> None:
        def arrived() -> Parameter | None:
            now = self.read()
            if now is not None and now.version > version:
                raise PublishError(
                    f"{self.name} was written by somebody else meanwhile: version {now.version} is"
                    f" {now.value}",
                    hint="find out who writes this parameter besides amikiln",
                )
            return now if now is not None and now.value == image_id else None

        self._session.waiter.until(
            arrived,
            what=f"{self.name} to read back as {image_id}",
            deadline_seconds=READ_BACK_SECONDS,
        )

    def _find_type_fault(self, found: Parameter | None) -> str | None:
        """Compare types and data types, which AWS changes on no parameter that exists.

        https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
        https://github.com/hashicorp/terraform-provider-aws/issues/35959
        """
        wanted = self._data_type
        if found is not None and found.type != "String":
            return (
                f"{self.name} is a {found.type}, which AWS cannot change, and has to be a String:"
                " delete it, or set publish.parameter to another path"
            )
        if found is None or found.data_type == wanted:
            return None
        return (
            f"{self.name} has the data type {found.data_type}, which AWS cannot change, and the"
            f" spec wants {wanted}: set publish.data_type to {found.data_type}, or"
            " publish.parameter to another path"
        )
