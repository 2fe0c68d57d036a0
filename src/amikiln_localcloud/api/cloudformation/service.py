"""The local cloud's CloudFormation, put together.

Imported with the first request for CloudFormation: moto's imports every service that it has.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from moto.cloudformation import models, parsing, urls
from moto.cloudformation.exceptions import AlreadyExistsException, ValidationError
from moto.cloudformation.models import Change, ChangeSet, CloudFormationBackend, Stack
from moto.cloudformation.responses import CloudFormationResponse
from moto.cloudformation.utils import (
    generate_changeset_id,
    generate_stack_id,
    validate_create_change_set,
)
from moto.core.responses import ActionResult

from amikiln_localcloud.api.cloudformation import template as template_text
from amikiln_localcloud.api.cloudformation.autoscaling_group import GroupResource
from amikiln_localcloud.api.cloudformation.ssm_parameter import ParameterResource
from amikiln_localcloud.api.cloudformation.stacks import REVIEW, LocalStack


def install() -> None:
    """Register this CloudFormation, and its resource types, with moto."""
    models.cloudformation_backends.backend = LocalCloudFormationBackend
    known: dict[str, Any] = parsing.get_model_map()
    for resource in (GroupResource, ParameterResource):
        known[resource.cloudformation_type()] = resource


class LocalCloudFormationResponse(CloudFormationResponse):
    """Parses and answers CloudFormation's requests."""

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
        """Do nothing: moto would compare parameters' values with keys of the Parameter Store."""


class LocalChangeSet(ChangeSet):
    """Changes to a stack that can be reviewed before they are made."""

    stack: LocalStack

    def _parse_template(self) -> None:
        self.template_dict = template_text.read(self.template)

    def diff(self) -> list[Change]:
        differences = list(self.stack.plan_update(self.template, self.parameters).differences())
        resources = {**self.stack.template_dict.get("Resources", {})}
        resources |= self.template_dict["Resources"]
        return [Change(action, name, resources[name]["Type"]) for action, name in differences]

    def apply(self) -> None:
        """Create or update the stack; its status is the result."""
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
        """Create a stack, which is complete or rolled back afterwards.

        Raises:
            ValidationError: Template or parameters are not valid; there is no stack then.
            AlreadyExistsException: There is a stack of that name.
        """
        if self._find_stack(name):
            raise AlreadyExistsException(f"Stack [{name}] already exists")
        stack = self._make_stack(name, template, parameters, *args, **kwargs)
        stack.resource_map.check_references()
        self.stacks[stack.stack_id] = stack
        stack.create_resources()
        self._set_exports(stack)
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
        merged = self._resolve_update_parameters(stack, parameters)
        stack.update(template, role_arn, merged, tags)
        self._set_exports(stack)
        return stack

    def _resolve_update_parameters(
        self, instance: Any, incoming_params: list[dict[str, Any]]
    ) -> dict[str, str]:
        """Find previous values among the defaults too, where moto fails."""
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
        """Delete a stack; one whose resources could not be deleted stays, as DELETE_FAILED."""
        for stack in list(self.stacks.values()):
            if name_or_stack_id not in (stack.name, stack.stack_id):
                continue
            stack.delete()
            if stack.status == "DELETE_COMPLETE":
                self._remove_exports(stack)
                self.deleted_stacks[stack.stack_id] = self.stacks.pop(stack.stack_id)

    def create_change_set(
        self,
        stack_name: str,
        change_set_name: str,
        template: str,
        parameters: dict[str, str],
        description: str,
        change_set_type: str,
        notification_arns: list[str] | None = None,
        tags: dict[str, str] | None = None,
        role_arn: str | None = None,
    ) -> tuple[str, str]:
        """Create a change set, and its stack if that is new.

        Returns:
            The ids of the change set and of the stack.

        Raises:
            ValidationError: Name, template or parameters are not valid; nothing was created.
        """
        validate_create_change_set(change_set_name)
        creating = change_set_type == "CREATE"
        known = self._find_stack(stack_name)
        if creating:
            if known and known.status != REVIEW:
                raise ValidationError(
                    message=f"Stack [{stack_name}] already exists and cannot be created again "
                    f"with the changeSet [{change_set_name}]."
                )
            stack = self._make_stack(stack_name, {}, parameters, notification_arns, tags, role_arn)
        elif known:
            stack = known
        else:
            raise ValidationError(stack_name)
        change_set_id = generate_changeset_id(change_set_name, self.region_name, self.account_id)
        change_set = LocalChangeSet(
            change_set_type=change_set_type,
            change_set_id=change_set_id,
            change_set_name=change_set_name,
            stack=stack,
            template=template,
            parameters=parameters,
            description=description,
            notification_arns=notification_arns,
            tags=tags,
            role_arn=role_arn,
        )
        if creating or change_set.changes:
            change_set.status, change_set.execution_status = "CREATE_COMPLETE", "AVAILABLE"
        else:
            change_set.status, change_set.execution_status = "FAILED", "UNAVAILABLE"
            change_set.status_reason = (
                "The submitted information didn't contain changes. Submit different information "
                "to create a change set."
            )
        if creating:
            if known:  # it has nothing yet
                del self.stacks[known.stack_id]
            self.stacks[stack.stack_id] = stack
            stack.start_review()
        self.change_sets[change_set_id] = change_set
        return change_set_id, stack.stack_id

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
        self._set_exports(change_set.stack)

    def _make_stack(
        self,
        name: str,
        template: str | dict[str, Any],
        parameters: dict[str, Any],
        *args: Any,
        **kwargs: Any,
    ) -> LocalStack:
        return LocalStack(  # type: ignore[abstract]  # as moto's own is
            generate_stack_id(name, self.region_name, self.account_id),
            name,
            template,
            parameters,
            self.account_id,
            self.region_name,
            *args,
            cross_stack_resources=self.exports,
            **kwargs,
        )

    def _find_stack(self, name: str) -> LocalStack | None:
        return next((stack for stack in self.stacks.values() if stack.name == name), None)

    def _set_exports(self, stack: Any) -> None:
        self._remove_exports(stack)
        if not stack.status.startswith("ROLLBACK"):
            self.exports.update({export.name: export for export in stack.exports})

    def _remove_exports(self, stack: Any) -> None:
        for name, export in list(self.exports.items()):
            if export.exporting_stack_id == stack.stack_id:
                del self.exports[name]
