"""Stacks that are made, updated and rolled back as CloudFormation's are.

Everything happens within the request, so that a stack is complete, or rolled back, when the
answer comes. Machines are not waited for, as on AWS: a group is complete before its machines
run. Stacks are kept in memory, as groups and machines are: they do not survive ``cloud down``.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-describing-stacks.html
"""

from __future__ import annotations

from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import Event, Stack
from moto.core.utils import utcnow

from amikiln_localcloud.api.cloudformation import template as template_text
from amikiln_localcloud.api.cloudformation.events import Made, ResourceFailure
from amikiln_localcloud.api.cloudformation.resources import LocalResourceMap

NOTHING_TO_DO = "No updates are to be performed."


class LocalStack(Stack):
    """A stack. Used inside ``Cloud.changing()`` only."""

    resource_map: LocalResourceMap

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.status_reason: str | None = None
        self.last_updated_time: Any = None
        super().__init__(*args, **kwargs)

    # -- what is told of it ------------------------------------------------------------------

    @staticmethod
    def parse_template(template: str) -> dict[str, Any]:
        return template_text.read(template)

    @property
    def stack_parameters(self) -> dict[str, Any]:
        """The parameters as they were given: a key of the Parameter Store stays one."""
        return dict(self.resource_map.inputs)

    @property
    def parameter_list(self) -> list[dict[str, Any]]:
        """The parameters, and what keys of the Parameter Store stood for at the last change."""
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

    # -- what is asked of it -----------------------------------------------------------------

    def newer(self, template: str, parameters: dict[str, str]) -> LocalResourceMap:
        """Return what another template, with these parameters, would make of this stack.

        Raises:
            ValidationError: Template or parameters are not usable; nothing was changed.
        """
        newer = self._map_of(self.parse_template(template), parameters)
        newer.inherit(self.resource_map)
        newer.check_references()
        return newer

    def create_resources(self) -> None:
        """Make everything, or nothing: what was made before a failure is deleted again."""
        self._become("CREATE_IN_PROGRESS", "User Initiated")
        try:
            self.resource_map.apply(self._note)
            self._look_at_outputs()
        except ResourceFailure as failure:
            self._become("ROLLBACK_IN_PROGRESS", f"{failure} Rollback requested by user.")
            self._finish_rollback("ROLLBACK", lambda: self.resource_map.remove_all(self._note))
            return
        self._become("CREATE_COMPLETE")

    def create_from(self, template: str, parameters: dict[str, str]) -> None:
        """Make what a change set says; the stack has nothing yet."""
        newer = self.newer(template, parameters)
        self._take(template, newer)
        self.create_resources()

    def update(
        self,
        template: str,
        role_arn: str | None = None,
        parameters: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Change what differs, or take all of it back.

        Raises:
            ValidationError: Nothing would change, or template or parameters are not usable.
        """
        newer = self.newer(template, parameters or {})
        retagged = tags is not None and tags != self.tags
        outputs = newer._template.get("Outputs") != self.template_dict.get("Outputs")
        if not (retagged or outputs or any(newer.differences())):
            raise ValidationError(message=NOTHING_TO_DO)
        older, before = self.resource_map, (self.template, self.template_dict)
        self._become("UPDATE_IN_PROGRESS", "User Initiated")
        self.last_updated_time = utcnow()
        self._take(template, newer)
        try:
            newer.apply(self._note)
            self._look_at_outputs()
        except ResourceFailure as failure:
            self._become("UPDATE_ROLLBACK_IN_PROGRESS", str(failure))
            self._take(str(before[0]), older)
            self._finish_rollback("UPDATE_ROLLBACK", lambda: older.take_back(newer, self._note))
            return
        self.role_arn = role_arn or self.role_arn
        if tags is not None:
            self.tags = tags
        self._become("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        why = None
        try:
            newer.remove_unwanted(self._note)
        except ResourceFailure as failure:
            why = str(failure)  # as on AWS: the update is complete, and something is left over
        self._become("UPDATE_COMPLETE", why)

    def delete(self) -> None:
        """Delete everything; machines of a group end by and by."""
        self._become("DELETE_IN_PROGRESS", "User Initiated")
        try:
            self.resource_map.remove_all(self._note)
        except ResourceFailure as failure:
            self._become("DELETE_FAILED", str(failure))
            return
        self._become("DELETE_COMPLETE")

    # -- inside ------------------------------------------------------------------------------

    def _create_resource_map(self) -> LocalResourceMap:
        return self._map_of(self.template_dict, self.parameters)

    def _map_of(self, template: dict[str, Any], parameters: dict[str, str]) -> LocalResourceMap:
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

    def _take(self, template: str, resource_map: LocalResourceMap) -> None:
        self.template = template
        self._parse_template()
        self.description = self.template_dict.get("Description")
        self.resource_map = resource_map
        self.parameters = dict(resource_map.inputs)
        self.output_map = self._create_output_map()

    def _look_at_outputs(self) -> None:
        try:
            list(self.output_map.values())
            list(self.exports)
        except ValidationError as error:
            raise ResourceFailure(str(error.message)) from error

    def _finish_rollback(self, status: str, work: Any) -> None:
        # What failed first is what the stack goes on to tell.
        why = self.status_reason
        try:
            work()
        except ResourceFailure as failure:
            self._become(f"{status}_FAILED", f"{why} {failure}")
            return
        self._become(f"{status}_COMPLETE")
        self.status_reason = why

    def _become(self, status: str, why: str | None = None) -> None:
        self.status, self.status_reason = status, why
        self._add_stack_event(status, resource_status_reason=why)

    def _note(self, name: str, status: str, made: Made | None, why: str | None) -> None:
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
