"""What requests about instances may say beyond what moto reads, and true answers to them."""

from __future__ import annotations

import json
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.models.instances import InstanceState
from moto.ec2.responses.general import General
from moto.ec2.responses.instances import InstanceResponse

from amikiln_localcloud.api.ec2.instances import LocalInstance
from amikiln_localcloud.api.errors import ec2_error


class InstanceRequests(General, InstanceResponse):
    """RunInstances to TerminateInstances, console output, metadata options."""

    def run_instances(self) -> ActionResult:
        """Launch once per client token; up to MaxCount, which moto ignores.

        https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
        """
        token = self._get_param("ClientToken")
        asked = {key: str(value) for key, value in self.params.items() if key != "ClientToken"}
        fingerprint = json.dumps(asked, sort_keys=True)
        tokens = self.ec2_backend.client_tokens
        if token and token in tokens:
            known, answer = tokens[token]
            if known != fingerprint:
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
        answered = super().run_instances()
        if token:
            tokens[token] = (fingerprint, answered.result)
        return answered

    def start_instances(self) -> ActionResult:
        self.error_on_dryrun()
        changed = self.ec2_backend.start_instances(self._get_param("InstanceIds", []))
        return _changes("StartingInstances", changed)

    def stop_instances(self) -> ActionResult:
        """Pull the plug at once when forced, which moto ignores."""
        self.error_on_dryrun()
        ids = self._get_param("InstanceIds", [])
        force = self._get_bool_param("Force", False)
        return _changes("StoppingInstances", self.ec2_backend.stop_instances(ids, force))

    def terminate_instances(self) -> ActionResult:
        self.error_on_dryrun()
        changed = self.ec2_backend.terminate_instances(self._get_param("InstanceIds", []))
        return _changes("TerminatingInstances", changed)

    def get_console_output(self) -> ActionResult:
        instance: LocalInstance = self.ec2_backend.get_instance(self._get_param("InstanceId"))
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
        """Keep the options that the request does not name; moto loses them."""
        options = self.ec2_backend.get_instance(self._get_param("InstanceId")).metadata_options
        kept = {
            "HttpTokens": options.http_tokens,
            "HttpPutResponseHopLimit": options.http_put_response_hop_limit,
            "HttpEndpoint": options.http_endpoint,
            "HttpProtocolIpv6": options.http_protocol_ipv6,
            "InstanceMetadataTags": options.instance_metadata_tags,
        }
        for name, value in kept.items():
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


def _changes(name: str, changed: list[tuple[LocalInstance, InstanceState]]) -> ActionResult:
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
