"""moto's CloudFormation with the overrides of it put together.

Imported with the first request for CloudFormation: moto's imports every service that it has.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from moto.cloudformation import models, parsing, urls
from moto.cloudformation.exceptions import AlreadyExistsException, ValidationError
from moto.cloudformation.models import Change, ChangeSet, CloudFormationBackend, Stack
from moto.cloudformation.responses import CloudFormationResponse
from moto.cloudformation.utils import generate_stack_id
from moto.core.responses import ActionResult

from amikiln_localcloud.api.cloudformation import template as template_text
from amikiln_localcloud.api.cloudformation.autoscaling_group import GroupResource
from amikiln_localcloud.api.cloudformation.ssm_parameter import ParameterResource
from amikiln_localcloud.api.cloudformation.stacks import LocalStack

REVIEWED = "REVIEW_IN_PROGRESS"


def install() -> None:
    """Make moto's CloudFormation this one."""
    models.cloudformation_backends.backend = LocalCloudFormationBackend
    # By these names the backend makes a change set and its stack.
    models.Stack = LocalStack  # type: ignore[misc]
    models.ChangeSet = LocalChangeSet  # type: ignore[misc]
    known: dict[str, Any] = parsing.get_model_map()
    for resource in (GroupResource, ParameterResource):
        known[resource.cloudformation_type()] = resource


class LocalCloudFormationResponse(CloudFormationResponse):
    """Refuses what is not there, and leaves it to the stack whether an update changes it."""

    def create_stack(self) -> ActionResult:
        if self._get_bool_param("DisableRollback", False) or (
            self._get_param("OnFailure", "ROLLBACK") != "ROLLBACK"
        ):
            raise ValidationError(
                message="the local cloud always rolls back: it has neither DisableRollback nor "
                "another OnFailure than ROLLBACK"
            )
        return super().create_stack()

    def _validate_different_update(self, *args: Any) -> None:
        """Do nothing: moto compares parameters' values with the names that stand for them."""


class LocalChangeSet(ChangeSet):
    """Changes to a stack that are looked at before they are made."""

    stack: LocalStack

    def _parse_template(self) -> None:
        self.template_dict = template_text.read(self.template)

    def diff(self) -> list[Change]:
        differences = list(self.stack.newer(self.template, self.parameters).differences())
        resources = {**self.stack.template_dict.get("Resources", {})}
        resources |= self.template_dict["Resources"]
        return [Change(action, name, resources[name]["Type"]) for action, name in differences]

    def apply(self) -> None:
        """Make or update the stack; whether that went well is the stack's status."""
        if self.change_set_type == "CREATE":
            self.stack.create_from(self.template, self.parameters)
        else:
            self.stack.update(self.template, self.role_arn, self.parameters, self.tags or None)


class LocalCloudFormationBackend(CloudFormationBackend):
    """One region's CloudFormation."""

    stacks: dict[str, LocalStack]  # type: ignore[assignment]

    @property
    def _url_module(self) -> Any:
        # No address for custom resources' answers: the local cloud has no Lambda for them.
        return SimpleNamespace(
            url_bases=urls.url_bases, url_paths={"{0}/$": LocalCloudFormationResponse.dispatch}
        )

    def create_stack(
        self, name: str, template: str, parameters: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Stack:
        """Make a stack, which is complete or rolled back then.

        Raises:
            ValidationError: Template or parameters are not usable; there is no stack then.
            AlreadyExistsException: There is one of that name.
        """
        if self._named(name):
            raise AlreadyExistsException(f"Stack [{name}] already exists")
        stack_id = generate_stack_id(name, self.region_name, self.account_id)
        stack = LocalStack(  # type: ignore[abstract]  # as moto's own is
            stack_id,
            name,
            template,
            parameters,
            self.account_id,
            self.region_name,
            *args,
            cross_stack_resources=self.exports,
            **kwargs,
        )
        stack.resource_map.check_references()
        self.stacks[stack_id] = stack
        stack.create_resources()
        self._take_exports(stack)
        return stack

    def update_stack(
        self,
        name: str,
        template: str,
        role_arn: str | None,
        parameters: list[dict[str, Any]],
        tags: dict[str, str] | None,
    ) -> Stack:
        stack = self.get_stack(name)
        if not template:
            raise ValidationError(message="Either Template URL or Template Body must be specified.")
        given = self._resolve_update_parameters(stack, parameters)
        stack.update(template, role_arn, given, tags)
        self._take_exports(stack)
        return stack

    def _resolve_update_parameters(
        self, instance: Any, incoming_params: list[dict[str, Any]]
    ) -> dict[str, str]:
        """Find previous values among the defaults, too, where moto fails."""
        known = instance.stack_parameters if isinstance(instance, LocalStack) else {}
        for one in incoming_params:
            if one.get("UsePreviousValue") and one["ParameterKey"] not in known:
                raise ValidationError(
                    message=f"Invalid input for parameter key {one['ParameterKey']}. Cannot "
                    "specify usePreviousValue as true for a parameter key not in the previous "
                    "template"
                )
        return {
            one["ParameterKey"]: known[one["ParameterKey"]]
            if one.get("UsePreviousValue")
            else one.get("ParameterValue", "")
            for one in incoming_params
        }

    def delete_stack(self, name_or_stack_id: str) -> None:
        """Delete a stack; one whose resources could not be deleted stays, and says so."""
        for stack in list(self.stacks.values()):
            if name_or_stack_id not in (stack.name, stack.stack_id):
                continue
            stack.delete()
            if stack.status == "DELETE_COMPLETE":
                self._drop_exports(stack)
                self.deleted_stacks[stack.stack_id] = self.stacks.pop(stack.stack_id)

    def create_change_set(
        self, stack_name: str, change_set_name: str, *args: Any, **kwargs: Any
    ) -> tuple[str, str]:
        kind = kwargs["change_set_type"]
        known = self._named(stack_name)
        if kind == "CREATE" and known:
            if known.status != REVIEWED:
                raise ValidationError(
                    message=f"Stack [{stack_name}] already exists and cannot be created again "
                    f"with the changeSet [{change_set_name}]."
                )
            del self.stacks[known.stack_id]  # it has nothing yet, and moto makes another
        before = set(self.stacks)
        try:
            ids = super().create_change_set(stack_name, change_set_name, *args, **kwargs)
        except ValidationError:
            for stack_id in set(self.stacks) - before:
                del self.stacks[stack_id]
            raise
        made: Any = self.change_sets[ids[0]]
        changes = kind == "CREATE" or made.changes
        made.status = "CREATE_COMPLETE" if changes else "FAILED"
        made.execution_status = "AVAILABLE" if changes else "UNAVAILABLE"
        made.status_reason = None
        if not changes:
            made.status_reason = (
                "The submitted information didn't contain changes. Submit different information "
                "to create a change set."
            )
        return ids

    def execute_change_set(self, change_set_name: str, stack_name: str | None = None) -> None:
        change_set: Any = self.describe_change_set(change_set_name)
        if change_set.execution_status != "AVAILABLE":
            raise ValidationError(
                message=f"ChangeSet [{change_set.change_set_id}] cannot be executed in its current "
                f"execution status of [{change_set.execution_status}]"
            )
        change_set.apply()
        failed = "ROLLBACK" in str(change_set.stack.status)
        change_set.execution_status = "EXECUTE_FAILED" if failed else "EXECUTE_COMPLETE"
        self._take_exports(change_set.stack)

    def _named(self, name: str) -> LocalStack | None:
        return next((stack for stack in self.stacks.values() if stack.name == name), None)

    def _take_exports(self, stack: Any) -> None:
        self._drop_exports(stack)
        if not stack.status.startswith("ROLLBACK"):
            self.exports.update({export.name: export for export in stack.exports})

    def _drop_exports(self, stack: Any) -> None:
        for name, export in list(self.exports.items()):
            if export.exporting_stack_id == stack.stack_id:
                del self.exports[name]
