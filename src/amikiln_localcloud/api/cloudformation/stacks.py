"""Stacks that are created, updated and rolled back as CloudFormation's are.

Everything happens within the request, so that a stack is complete, or rolled back, when the
answer comes. As on AWS, a group is complete before its machines run. Stacks are in memory only, as
groups and machines are: they do not survive ``cloud down``.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-describing-stacks.html
"""

from __future__ import annotations

from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import Event, Stack
from moto.core.utils import utcnow

from amikiln_localcloud.api.cloudformation import template as template_text
from amikiln_localcloud.api.cloudformation.events import ResourceFailure, StackResource
from amikiln_localcloud.api.cloudformation.resources import LocalResourceMap

NOTHING_TO_DO = "No updates are to be performed."
REVIEW = "REVIEW_IN_PROGRESS"
"""The status of a stack that has only a change set."""


class LocalStack(Stack):
    """A stack. Used inside ``Cloud.change()`` only."""

    resource_map: LocalResourceMap

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.status_reason: str | None = None
        self.last_updated_time: Any = None
        super().__init__(*args, **kwargs)

    # -- what the API reports ---------------------------------------------------------------

    @staticmethod
    def parse_template(template: str) -> dict[str, Any]:
        return template_text.read(template)

    @property
    def stack_parameters(self) -> dict[str, Any]:
        """The parameters as in the request: a key of the Parameter Store is not resolved."""
        return dict(self.resource_map.inputs)

    @property
    def parameter_list(self) -> list[dict[str, Any]]:
        """The parameters, and the values of keys of the Parameter Store at the last change."""
        found = []
        for name, text in self.resource_map.inputs.items():
            hidden = name in self.resource_map.no_echo_parameter_keys
            one = {"ParameterKey": name, "ParameterValue": "****" if hidden else text}
            kind = str(self.template_dict["Parameters"][name].get("Type"))
            if kind.startswith("AWS::SSM::") and not hidden:
                value = self.resource_map.resolved_parameters[name]
                one["ResolvedValue"] = ",".join(value) if isinstance(value, list) else value
            found.append(one)
        return found

    # -- requests ---------------------------------------------------------------------------

    def plan_update(self, template: str, parameters: dict[str, str]) -> LocalResourceMap:
        """Return the resources that another template and parameters would give this stack.

        Raises:
            ValidationError: Template or parameters are not valid; nothing was changed.
        """
        newer = self._make_resource_map(self.parse_template(template), parameters)
        newer.inherit(self.resource_map)
        newer.check_references()
        return newer

    def create_resources(self) -> None:
        """Create everything, or nothing: what was created before a failure is deleted again."""
        self._set_status("CREATE_IN_PROGRESS", "User Initiated")
        try:
            self.resource_map.apply(self._add_resource_event)
            self._check_outputs()
        except ResourceFailure as failure:
            self._set_status("ROLLBACK_IN_PROGRESS", f"{failure} Rollback requested by user.")
            self._finish_rollback(
                "ROLLBACK", lambda: self.resource_map.remove_all(self._add_resource_event)
            )
            return
        self._set_status("CREATE_COMPLETE")

    def start_review(self) -> None:
        """Wait for a change set to be executed; the stack has no resources yet."""
        self._set_status(REVIEW, "User Initiated")

    def create_from(self, template: str, parameters: dict[str, str]) -> None:
        """Create a change set's resources; the stack has none yet."""
        newer = self.plan_update(template, parameters)
        self._use(template, newer)
        self.create_resources()

    def update(
        self,
        template: str,
        role_arn: str | None = None,
        parameters: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Change what differs, or roll all of it back.

        Raises:
            ValidationError: Nothing would change, or template or parameters are not valid.
        """
        newer = self.plan_update(template, parameters or {})
        retagged = tags is not None and tags != self.tags
        outputs = newer._template.get("Outputs") != self.template_dict.get("Outputs")
        if not (retagged or outputs or any(newer.differences())):
            raise ValidationError(message=NOTHING_TO_DO)
        older, before = self.resource_map, (self.template, self.template_dict)
        self._set_status("UPDATE_IN_PROGRESS", "User Initiated")
        self.last_updated_time = utcnow()
        self._use(template, newer)
        try:
            newer.apply(self._add_resource_event)
            self._check_outputs()
        except ResourceFailure as failure:
            self._set_status("UPDATE_ROLLBACK_IN_PROGRESS", str(failure))
            self._use(str(before[0]), older)
            self._finish_rollback(
                "UPDATE_ROLLBACK", lambda: older.undo(newer, self._add_resource_event)
            )
            return
        self.role_arn = role_arn or self.role_arn
        if tags is not None:
            self.tags = tags
        self._set_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        why = None
        try:
            newer.remove_unwanted(self._add_resource_event)
        except ResourceFailure as failure:
            why = str(failure)  # as on AWS: the update is complete, and something is left over
        self._set_status("UPDATE_COMPLETE", why)

    def delete(self) -> None:
        """Delete everything; a group's machines end in the background."""
        self._set_status("DELETE_IN_PROGRESS", "User Initiated")
        try:
            self.resource_map.remove_all(self._add_resource_event)
        except ResourceFailure as failure:
            self._set_status("DELETE_FAILED", str(failure))
            return
        self._set_status("DELETE_COMPLETE")

    # -- internals --------------------------------------------------------------------------

    def _create_resource_map(self) -> LocalResourceMap:
        return self._make_resource_map(self.template_dict, self.parameters)

    def _make_resource_map(
        self, template: dict[str, Any], parameters: dict[str, str]
    ) -> LocalResourceMap:
        found = LocalResourceMap(
            self.stack_id,
            self.name,
            parameters,
            self.tags,
            account_id=self.account_id,
            region_name=self.region_name,
            template=template,
            cross_stack_resources=self.cross_stack_resources,
        )
        found.load()
        return found

    def _use(self, template: str, resource_map: LocalResourceMap) -> None:
        self.template = template
        self._parse_template()
        self.description = self.template_dict.get("Description")
        self.resource_map = resource_map
        self.parameters = dict(resource_map.inputs)
        self.output_map = self._create_output_map()

    def _check_outputs(self) -> None:
        try:
            list(self.output_map.values())
            list(self.exports)
        except ValidationError as error:
            raise ResourceFailure(str(error.message)) from error

    def _finish_rollback(self, status: str, work: Any) -> None:
        # The stack's reason stays the first failure.
        why = self.status_reason
        try:
            work()
        except ResourceFailure as failure:
            self._set_status(f"{status}_FAILED", f"{why} {failure}")
            return
        self._set_status(f"{status}_COMPLETE")
        self.status_reason = why

    def _set_status(self, status: str, why: str | None = None) -> None:
        self.status, self.status_reason = status, why
        self._add_stack_event(status, resource_status_reason=why)

    def _add_resource_event(
        self, name: str, status: str, made: StackResource | None, why: str | None
    ) -> None:
        self.events.append(
            Event(
                stack_id=self.stack_id,
                stack_name=self.name,
                logical_resource_id=name,
                physical_resource_id=made.resource.physical_resource_id if made else "",
                resource_type=self.template_dict["Resources"].get(name, {}).get("Type", "")
                if made is None
                else made.definition["Type"],
                resource_status=status,
                resource_status_reason=why,
                resource_properties=None,
            )
        )
