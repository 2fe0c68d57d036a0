"""A stack's resources: which exist, from which definition, and what an update changes.

moto compares the template alone. Here, as on AWS, a resource is updated when its definition with
the parameters' values has changed, or when a resource that it refers to was updated and has
another value since. Dynamic references are compared as text, and resolved when the resource is
created or updated.
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
from amikiln_localcloud.api.cloudformation.events import AddEvent, StackResource, report_failure


class LocalResourceMap(parsing.ResourceMap):
    """The resources of one template with one set of parameters.

    Attributes:
        existing: What exists, by logical id.
    """

    def load(self) -> None:
        """Check the template, and resolve its parameters; a change set's new stack has none yet.

        Raises:
            ValidationError: The template or a parameter is not valid; nothing was created.
        """
        self.existing: dict[str, StackResource] = {}
        self._changed: set[str] = set()
        self.inputs: dict[str, str] = {}
        if self._template:
            check.check_template(self._template)
            super().load()

    def load_parameters(self) -> None:
        declarations = self._template.get("Parameters") or {}
        self.inputs = parameters.merge(declarations, self.input_parameters)
        self.no_echo_parameter_keys = [
            name
            for name, declaration in declarations.items()
            if str(declaration.get("NoEcho", False)).lower() == "true"
        ]
        self.resolved_parameters = parameters.resolve(
            declarations, self.inputs, self._account_id, self._region_name
        )
        self._parsed_resources.update(self.resolved_parameters)

    def __getitem__(self, key: str) -> Any:
        """Return a parameter's value or an existing resource; moto would create it here."""
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
        """The logical ids of what exists."""
        return list(self.existing)

    # -- comparing ---------------------------------------------------------------------------

    def inherit(self, older: LocalResourceMap) -> None:
        """Start from the resources of an older template's map."""
        for name, one in older.existing.items():
            self._set(name, one)

    def differences(self) -> Iterator[tuple[str, str]]:
        """Yield what ``apply`` would do as ``Add``, ``Modify`` or ``Remove`` with a logical id.

        What changes only because another resource changes is left out.
        """
        wanted = self._get_wanted()
        for name in wanted:
            if name not in self.existing:
                yield "Add", name
            elif self._get_text(name) != self.existing[name].text:
                yield "Modify", name
        for name in self.existing:
            if name not in wanted:
                yield "Remove", name

    def check_references(self) -> None:
        """Look up the dynamic references of what will be created or updated.

        Raises:
            ValidationError: A parameter does not exist.
        """
        for action, name in list(self.differences()):
            if action != "Remove":
                properties = self._resource_json_map[name].get("Properties")
                dynamic_references.check(properties, self._account_id, self._region_name)

    def _get_wanted(self) -> list[str]:
        conditions: Any = self.lazy_condition_map
        return [
            name
            for name in check.sort_by_dependency(self._resource_json_map)
            if conditions.get(self._resource_json_map[name].get("Condition"), True)
        ]

    def _get_text(self, name: str) -> dict[str, Any]:
        return self._evaluate(name, functions.Placeholders(self))

    def _evaluate(self, name: str, values: Any) -> dict[str, Any]:
        definition = {"Properties": {}, **self._resource_json_map[name]}
        return functions.evaluate(definition, values, self._get_zones)

    def _get_zones(self, region: str) -> list[str]:
        ec2: Any = ec2_backends[self._account_id][region or self._region_name]
        return [zone.name for zone in ec2.describe_availability_zones()]

    # -- changing ----------------------------------------------------------------------------

    def apply(self, add_event: AddEvent) -> None:
        """Create what is new and update what differs, each after what it depends on.

        Raises:
            ResourceFailure: The first resource that failed.
        """
        for name in self._get_wanted():
            with report_failure(
                name, add_event, "UPDATE_FAILED" if name in self.existing else "CREATE_FAILED"
            ):
                self._apply_one(name, add_event)

    def remove_unwanted(self, add_event: AddEvent) -> None:
        """Delete what this template does not have any more.

        Raises:
            ResourceFailure: The first resource that failed.
        """
        wanted = self._get_wanted()
        self._remove([name for name in self.existing if name not in wanted], add_event)

    def remove_all(self, add_event: AddEvent) -> None:
        """Delete everything, each before what it depends on.

        Raises:
            ResourceFailure: The first resource that failed.
        """
        known = check.sort_by_dependency(self._resource_json_map) if self.existing else []
        self._remove([name for name in known if name in self.existing], add_event)

    def undo(self, newer: LocalResourceMap, add_event: AddEvent) -> None:
        """Undo what a newer template's map did before it failed.

        Raises:
            ResourceFailure: The first resource that failed.
        """
        newer._remove([name for name in newer.existing if name not in self.existing], add_event)
        for name, before in list(self.existing.items()):
            now = newer.existing[name]
            if now is before:
                continue
            with report_failure(name, add_event, "UPDATE_FAILED"):
                resource = now.resource
                if now.resolved != before.resolved:
                    self._parsed_resources[name] = resource
                    resource = self._update(name, before.resolved)
                self._set(name, dataclasses.replace(before, resource=resource))
                add_event(name, "UPDATE_COMPLETE", self.existing[name], None)

    def _apply_one(self, name: str, add_event: AddEvent) -> None:
        known, text = self.existing.get(name), self._get_text(name)
        needs = set(check.find_references(self._resource_json_map[name]))
        if known and known.text == text and not needs & self._changed:
            return
        definition = self._evaluate(name, self)
        if known and known.text == text and known.definition == definition:
            return
        properties = dynamic_references.resolve(
            definition["Properties"], self._account_id, self._region_name
        )
        resolved = {**definition, "Properties": properties}
        if known is None:
            add_event(name, "CREATE_IN_PROGRESS", None, None)
            made = StackResource(text, definition, resolved, self._create(name, resolved))
            self._set(name, made)
            self._changed.add(name)
            add_event(name, "CREATE_COMPLETE", made, None)
            return
        if known.definition["Type"] != definition["Type"]:
            raise ValidationError(message="Update of resource type is not permitted.")
        resource = known.resource
        if known.resolved["Properties"] != properties:
            add_event(name, "UPDATE_IN_PROGRESS", known, None)
            resource = self._update(name, resolved)
            add_event(name, "UPDATE_COMPLETE", known, None)
            self._changed.add(name)
        self._set(name, StackResource(text, definition, resolved, resource))

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
        """Tag a resource, and a group's machines, with its stack, beside the stack's own tags."""
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

    def _remove(self, names: list[str], add_event: AddEvent) -> None:
        for name in reversed(names):
            made = self.existing[name]
            if made.definition.get("DeletionPolicy") == "Retain":
                add_event(name, "DELETE_SKIPPED", made, None)
            else:
                add_event(name, "DELETE_IN_PROGRESS", made, None)
                with report_failure(name, add_event, "DELETE_FAILED"):
                    self._delete_resource(made.resource, copy.deepcopy(made.resolved))
                add_event(name, "DELETE_COMPLETE", made, None)
            del self.existing[name]
            del self._parsed_resources[name]

    def _set(self, name: str, made: StackResource) -> None:
        self.existing[name] = made
        self._parsed_resources[name] = made.resource
