"""A stack's resources: what was made of which definition, and what an update changes.

moto compares the template alone. Here, as on AWS, a resource is updated when what the template
says of it has changed, parameters' values put in, or when a resource that it refers to was
updated and has another value since. A dynamic reference counts as text there, and is resolved
when the resource is made or updated.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/
using-cfn-updating-stacks-update-behaviors.html
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.ec2.models import ec2_backends
from moto.ec2.models.core import TaggedEC2Resource

from amikiln_localcloud.api.cloudformation import check, dynamic_references, functions, parameters
from amikiln_localcloud.api.cloudformation.events import Failing, Made, Note


class LocalResourceMap(parsing.ResourceMap):
    """The resources of one template with one set of parameters."""

    def load(self) -> None:
        """Check the template, and resolve its parameters; a stack of a change set has none yet.

        Raises:
            ValidationError: Something is wrong with either; nothing was made.
        """
        self.made: dict[str, Made] = {}
        self._touched: set[str] = set()
        self.inputs: dict[str, str] = {}
        if self._template:
            check.check(self._template)
            super().load()

    def load_parameters(self) -> None:
        slots = self._template.get("Parameters") or {}
        self.inputs = parameters.given(slots, self.input_parameters)
        self.no_echo_parameter_keys = [
            name for name, slot in slots.items() if str(slot.get("NoEcho", False)).lower() == "true"
        ]
        self.resolved_parameters = parameters.resolved(
            slots, self.inputs, self._account_id, self._region_name
        )
        self._parsed_resources.update(self.resolved_parameters)

    def __getitem__(self, key: str) -> Any:
        """Return a parameter's value or a resource that was made; moto would make it here."""
        if key in self._parsed_resources:
            return self._parsed_resources[key]
        if key in self._resource_json_map:
            raise ValidationError(
                message=f"Template format error: Unresolved resource dependencies [{key}] in the "
                "template"
            )
        raise KeyError(key)

    @property
    def resources(self) -> list[str]:
        """The logical ids of what is there."""
        return list(self.made)

    # -- comparing ---------------------------------------------------------------------------

    def inherit(self, older: LocalResourceMap) -> None:
        """Start from what an older template's map has made."""
        for name, one in older.made.items():
            self._keep(name, one)

    def differences(self) -> Iterator[tuple[str, str]]:
        """Return what ``apply`` would do as ``Add``, ``Modify`` or ``Remove`` with a logical id.

        What changes only because another resource will have changed is left out.
        """
        wanted = self._wanted()
        for name in wanted:
            if name not in self.made:
                yield "Add", name
            elif self._text(name) != self.made[name].text:
                yield "Modify", name
        for name in self.made:
            if name not in wanted:
                yield "Remove", name

    def check_references(self) -> None:
        """Look up the dynamic references of what will be made or updated.

        Raises:
            ValidationError: One names nothing.
        """
        for action, name in list(self.differences()):
            if action != "Remove":
                properties = self._resource_json_map[name].get("Properties")
                dynamic_references.check(properties, self._account_id, self._region_name)

    def _wanted(self) -> list[str]:
        conditions: Any = self.lazy_condition_map
        return [
            name
            for name in check.order(self._resource_json_map)
            if conditions.get(self._resource_json_map[name].get("Condition"), True)
        ]

    def _text(self, name: str) -> dict[str, Any]:
        return self._evaluated(name, functions.Names(self))

    def _evaluated(self, name: str, values: Any) -> dict[str, Any]:
        definition = {"Properties": {}, **self._resource_json_map[name]}
        return functions.evaluated(definition, values, self._zones)

    def _zones(self, region: str) -> list[str]:
        ec2: Any = ec2_backends[self._account_id][region or self._region_name]
        return [zone.name for zone in ec2.describe_availability_zones()]

    # -- changing ----------------------------------------------------------------------------

    def apply(self, note: Note) -> None:
        """Make what is new and update what differs, in the order of dependence.

        Raises:
            ResourceFailure: The first that could not be.
        """
        for name in self._wanted():
            with Failing(name, note, "UPDATE_FAILED" if name in self.made else "CREATE_FAILED"):
                self._bring(name, note)

    def remove_unwanted(self, note: Note) -> None:
        """Delete what this template does not have any more.

        Raises:
            ResourceFailure: The first that could not be.
        """
        wanted = self._wanted()
        self._remove([name for name in self.made if name not in wanted], note)

    def remove_all(self, note: Note) -> None:
        """Delete everything, what depends on others first.

        Raises:
            ResourceFailure: The first that could not be.
        """
        known = check.order(self._resource_json_map) if self.made else []
        self._remove([name for name in known if name in self.made], note)

    def take_back(self, newer: LocalResourceMap, note: Note) -> None:
        """Undo what a newer template's map did before it failed.

        Raises:
            ResourceFailure: The first that could not be undone.
        """
        newer._remove([name for name in newer.made if name not in self.made], note)
        for name, before in list(self.made.items()):
            now = newer.made[name]
            if now is before:
                continue
            with Failing(name, note, "UPDATE_FAILED"):
                resource = now.resource
                if now.resolved != before.resolved:
                    self._parsed_resources[name] = resource
                    resource = self._update(name, before.resolved)
                self._keep(name, dataclasses.replace(before, resource=resource))
                note(name, "UPDATE_COMPLETE", self.made[name], None)

    def _bring(self, name: str, note: Note) -> None:
        known, text = self.made.get(name), self._text(name)
        needs = set(check.references(self._resource_json_map[name]))
        if known and known.text == text and not needs & self._touched:
            return
        definition = self._evaluated(name, self)
        if known and known.text == text and known.definition == definition:
            return
        properties = dynamic_references.resolved(
            definition["Properties"], self._account_id, self._region_name
        )
        resolved = {**definition, "Properties": properties}
        if known is None:
            note(name, "CREATE_IN_PROGRESS", None, None)
            made = Made(text, definition, resolved, self._create(name, resolved))
            self._keep(name, made)
            self._touched.add(name)
            note(name, "CREATE_COMPLETE", made, None)
            return
        if known.definition["Type"] != definition["Type"]:
            raise ValidationError(message="Update of resource type is not permitted.")
        resource = known.resource
        if known.resolved["Properties"] != properties:
            note(name, "UPDATE_IN_PROGRESS", known, None)
            resource = self._update(name, resolved)
            note(name, "UPDATE_COMPLETE", known, None)
            self._touched.add(name)
        self._keep(name, Made(text, definition, resolved, resource))

    def _create(self, name: str, resolved: dict[str, Any]) -> Any:
        # moto's handlers change what they are given.
        resource: Any = parsing.parse_and_create_resource(
            name, copy.deepcopy(resolved), self, self._account_id, self._region_name
        )
        self._tag(name, resource)
        return resource

    def _update(self, name: str, resolved: dict[str, Any]) -> Any:
        resource: Any = parsing.parse_and_update_resource(
            name, copy.deepcopy(resolved), self, self._account_id, self._region_name
        )
        if resource is None:
            kind = resolved["Type"]
            raise ValidationError(message=f"the local cloud cannot update resources of type {kind}")
        self._tag(name, resource)
        return resource

    def _tag(self, name: str, resource: Any) -> None:
        """Say whose a resource is, and a group's machines, beside the stack's own tags."""
        tags = {
            **self.tags,
            "aws:cloudformation:stack-name": self["AWS::StackName"],
            "aws:cloudformation:stack-id": self["AWS::StackId"],
            "aws:cloudformation:logical-id": name,
        }
        if isinstance(resource, TaggedEC2Resource):
            ec2: Any = ec2_backends[self._account_id][self._region_name]
            ec2.create_tags([resource.physical_resource_id], tags)  # type: ignore[attr-defined]
        elif isinstance(resource, FakeAutoScalingGroup):
            own = {tag["Key"] for tag in resource.tags}
            resource.tags = [
                *resource.tags,
                *(
                    {"Key": key, "Value": value, "PropagateAtLaunch": True}
                    for key, value in tags.items()
                    if key not in own
                ),
            ]

    def _remove(self, names: list[str], note: Note) -> None:
        for name in reversed(names):
            made = self.made[name]
            if made.definition.get("DeletionPolicy") == "Retain":
                note(name, "DELETE_SKIPPED", made, None)
            else:
                note(name, "DELETE_IN_PROGRESS", made, None)
                with Failing(name, note, "DELETE_FAILED"):
                    self._delete_resource(made.resource, copy.deepcopy(made.resolved))
                note(name, "DELETE_COMPLETE", made, None)
            del self.made[name]
            del self._parsed_resources[name]

    def _keep(self, name: str, made: Made) -> None:
        self.made[name] = made
        self._parsed_resources[name] = made.resource
