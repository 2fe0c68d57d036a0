"""Parameters of the data type ``aws:ec2:image`` are checked after the answer, as on AWS.

PutParameter answers with the new version at once; the version is there when the image was
found to be available, and never if it was not. A parameter that is plain text cannot become one
of images. Versions, labels, and their limits are moto's.
https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-ec2-aliases.html
"""

from __future__ import annotations

import logging
import re
from types import SimpleNamespace
from typing import Any

from moto.core.exceptions import ServiceException
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ssm import urls
from moto.ssm.exceptions import ParameterAlreadyExists, ValidationException
from moto.ssm.models import (
    PARAMETER_VERSION_LIMIT,
    Parameter,
    SimpleSystemManagerBackend,
    ssm_backends,
)
from moto.ssm.responses import SimpleSystemManagerResponse

from amikiln_localcloud.api.authorization import AuthorizedRequests
from amikiln_localcloud.api.cloud import Cloud

log = logging.getLogger("amikiln.parameters")

IMAGE = "aws:ec2:image"
IMAGE_ID = re.compile(r"ami-[0-9a-f]{8}(?:[0-9a-f]{9})?")


class LocalSSMResponse(AuthorizedRequests, SimpleSystemManagerResponse):
    """Parses and answers Systems Manager's requests."""


def find_parameter(name: str, account_id: str, region: str) -> Parameter | None:
    """Return the parameter version that a name means now; None if there is none.

    Args:
        name: ``NAME``, ``NAME:VERSION`` or ``NAME:LABEL``.
        account_id: The account.
        region: The region.
    """
    try:
        return ssm_backends[account_id][region].get_parameter(name)
    except ServiceException:  # no such version or label
        return None


class LocalSSMBackend(SimpleSystemManagerBackend):
    """One region's Parameter Store."""

    def __init__(self, region_name: str, account_id: str, cloud: Cloud) -> None:
        super().__init__(region_name, account_id)
        self._cloud = cloud
        self._unchecked: dict[str, list[Parameter]] = {}

    @property
    def _url_module(self) -> Any:
        return SimpleNamespace(
            url_bases=urls.url_bases, url_paths={"{0}/$": LocalSSMResponse.dispatch}
        )

    def put_parameter(
        self,
        name: str,
        description: str,
        value: str,
        parameter_type: str,
        allowed_pattern: str,
        keyid: str,
        overwrite: bool,
        tags: list[dict[str, str]],
        data_type: str,
        tier: str | None = None,
        policies: str | None = None,
    ) -> Parameter:
        """Hide a new version until its image was looked up."""

        def put() -> Parameter:
            return super(LocalSSMBackend, self).put_parameter(
                name,
                description,
                value,
                parameter_type,
                allowed_pattern,
                keyid,
                overwrite,
                tags,
                data_type,
                tier,
                policies,
            )

        key = self._parameters.normalize_name(name)
        waiting = self._unchecked.get(key, [])
        if waiting and not overwrite:
            raise ParameterAlreadyExists
        before = [*self._parameters.get(key, []), *waiting]
        if data_type == IMAGE and before and all(one.data_type != IMAGE for one in before):
            raise ValidationException(f"The data type of parameter {name} cannot be changed")
        if data_type != IMAGE and not waiting:
            return put()
        if data_type == IMAGE and not IMAGE_ID.fullmatch(value or ""):
            raise ValidationException(f"Parameter value is not an AMI id: {value}")
        seen = list(self._parameters[name])
        try:
            # moto checks the request and numbers the version, behind those that wait.
            self._parameters[key] = seen + waiting
            version = put()
        finally:
            self._set_visible(key, seen)
        self._unchecked[key] = [*waiting, version]
        self._cloud.worker.submit(lambda: self._check(key, version))
        return version

    def delete_parameter(self, name: str) -> None:
        self._unchecked.pop(self._parameters.normalize_name(name), None)
        super().delete_parameter(name)

    def delete_parameters(self, names: list[str]) -> list[str]:
        for name in names:
            self._unchecked.pop(self._parameters.normalize_name(name), None)
        return super().delete_parameters(names)

    def _check(self, key: str, version: Parameter) -> None:
        with self._cloud.change():
            waiting = self._unchecked.get(key, [])
            if version not in waiting:
                return
            waiting.remove(version)
            if not waiting:
                del self._unchecked[key]
            if version.data_type == IMAGE and not self._is_available(version.value):
                log.warning(
                    "version %s of %s is dropped: %s is not an available image",
                    version.version,
                    key,
                    version.value,
                )
                return
            self._set_visible(key, [*self._parameters[key], version][-PARAMETER_VERSION_LIMIT:])

    def _set_visible(self, key: str, versions: list[Parameter]) -> None:
        if versions:
            self._parameters[key] = versions
        else:
            # An empty list would count as a parameter.
            self._parameters.pop(key, None)

    def _is_available(self, image_id: str) -> bool:
        # The local cloud's own, of ec2/backend.py, which builds on this module.
        backend: Any = ec2_backends[self.account_id][self.region_name]
        try:
            backend.find_available_image(image_id)
        except EC2ClientError:
            return False
        return True
