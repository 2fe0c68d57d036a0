"""Requests about instances: the parameters that moto does not read, and accurate answers."""

from __future__ import annotations

import json
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.models.instances import Instance, InstanceState
from moto.ec2.responses.general import General
from moto.ec2.responses.instances import InstanceResponse

from amikiln_localcloud.api.ec2.run_instances import InstancesMixin
from amikiln_localcloud.api.errors import ec2_error


class InstanceRequests(General, InstanceResponse):
    """RunInstances to TerminateInstances, console output, metadata options."""

    @property
    def _instances(self) -> InstancesMixin:
        backend: InstancesMixin = self.ec2_backend
        return backend

    def run_instances(self) -> ActionResult:
        """Launch once per client token; up to MaxCount, which moto ignores.

        https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
        """
        token = self._get_param("ClientToken")
        parameters = {key: str(value) for key, value in self.params.items() if key != "ClientToken"}
        fingerprint = json.dumps(parameters, sort_keys=True)
        tokens = self._instances.client_tokens
        if token and token in tokens:
            earlier, answer = tokens[token]
            if earlier != fingerprint:
                raise ec2_error(
                    "IdempotentParameterMismatch",
                    "The client token you have provided is associated with a resource that was "
                    "created with different parameters.",
                )
            return ActionResult(answer)
        most = int(self._get_param("MaxCount", 1))
        if int(self._get_param("MinCount", 1)) > most:
            raise ec2_error(
                "InvalidParameterCombination",
                "The value for maxCount must be greater than or equal to that for minCount.",
            )
        self.params["MinCount"] = most
        result = super().run_instances()
        if token:
            tokens[token] = (fingerprint, result.result)
        return result

    def start_instances(self) -> ActionResult:
        self.error_on_dryrun()
        changed = self.ec2_backend.start_instances(self._get_param("InstanceIds", []))
        return _describe_changes("StartingInstances", changed)

    def stop_instances(self) -> ActionResult:
        """Pull the plug at once when forced, which moto ignores."""
        self.error_on_dryrun()
        ids = self._get_param("InstanceIds", [])
        force = self._get_bool_param("Force", False)
        return _describe_changes("StoppingInstances", self._instances.stop_instances(ids, force))

    def terminate_instances(self) -> ActionResult:
        self.error_on_dryrun()
        changed = self.ec2_backend.terminate_instances(self._get_param("InstanceIds", []))
        return _describe_changes("TerminatingInstances", changed)

    def get_console_output(self) -> ActionResult:
        instance = self._instances.find_instance(self._get_param("InstanceId"))
        # The console holds any byte, and moto encodes text only.
        text = instance.console().decode(errors="replace")
        return ActionResult(
            {
                "InstanceId": instance.id,
                "Timestamp": utcnow(),
                "Output": Base64EncodedString.from_raw_string(text),
            }
        )

    def modify_instance_metadata_options(self) -> ActionResult:
        """Leave options that the request does not have unchanged; moto resets them."""
        options = self._instances.find_instance(self._get_param("InstanceId")).metadata_options
        current = {
            "HttpTokens": options.http_tokens,
            "HttpPutResponseHopLimit": options.http_put_response_hop_limit,
            "HttpEndpoint": options.http_endpoint,
            "HttpProtocolIpv6": options.http_protocol_ipv6,
            "InstanceMetadataTags": options.instance_metadata_tags,
        }
        for name, value in current.items():
            self.params.setdefault(name, value)
        return super().modify_instance_metadata_options()

    def reboot_instances(self) -> ActionResult:
        self.error_on_dryrun()
        self.ec2_backend.reboot_instances(self._get_param("InstanceIds", []))
        return EmptyResult()

    def _parse_block_device_mapping(self) -> list[dict[str, Any]]:
        """Pass everything on; moto drops Throughput, and wants a size where none is needed."""
        mappings: list[dict[str, Any]] = self._get_param("BlockDeviceMappings", [])
        return mappings


def _describe_changes(name: str, changed: list[tuple[Instance, InstanceState]]) -> ActionResult:
    return ActionResult(
        {
            name: [
                {
                    "InstanceId": instance.id,
                    "CurrentState": instance.instance_state,
                    "PreviousState": before,
                }
                for instance, before in changed
            ]
        }
    )
