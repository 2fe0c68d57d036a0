"""What a group launches its machines from, checked when the group is made or changed.

moto makes a group whose launch template leads to nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

from moto.autoscaling.models import ASG_NAME_TAG, FakeAutoScalingGroup
from moto.core.exceptions import ServiceException

from amikiln_localcloud.api.errors import autoscaling_error


class LaunchingGroup(FakeAutoScalingGroup):
    """A group that knows how to launch one machine."""

    def iterate_launch_sources(self) -> Iterator[tuple[dict[str, Any] | None, str | None]]:
        """Yield launch templates and instance types, in the order of preference."""
        if self.ec2_launch_template is None:
            yield None, None
            return
        ec2: Any = self.ec2_backend
        own = self._make_reference(self.ec2_launch_template, self.launch_template_version)
        policy = (self.mixed_instances_policy or {}).get("LaunchTemplate", {})
        for override in policy.get("Overrides") or [{}]:
            template = own
            if other := override.get("LaunchTemplateSpecification"):
                template = self._make_reference(
                    ec2.find_template(other), other.get("Version") or "$Default"
                )
            yield template, override.get("InstanceType")

    @staticmethod
    def _make_reference(template: Any, version: str) -> dict[str, Any]:
        return {
            "LaunchTemplateId": template.id,
            "LaunchTemplateName": template.name,
            "Version": str(template.get_version(version).number),
        }

    def _set_launch_configuration(
        self,
        launch_config_name: str,
        launch_template: dict[str, Any],
        mixed_instances_policy: dict[str, Any] | None,
    ) -> None:
        backend: Any = self.autoscaling_backend
        if launch_config_name and launch_config_name not in backend.launch_configurations:
            raise autoscaling_error(
                "ValidationError",
                f"Launch configuration name not found - {launch_config_name} was not found",
            )
        with _explained("template"):
            super()._set_launch_configuration(
                launch_config_name, launch_template, mixed_instances_policy
            )

    def check_launches(self) -> None:
        """Check everything that the group will launch from, in every zone, and launch nothing.

        https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-launch-template.html

        Raises:
            AutoscalingClientError: ValidationError, with what EC2 says about the launch.
        """
        ec2: Any = self.ec2_backend
        with _explained("template" if self.ec2_launch_template else "configuration"):
            sources = list(self.iterate_launch_sources())
            for zone, (template, instance_type) in product(self.availability_zones, sources):
                args, options = self._describe_launch(template, instance_type, zone, None)
                ec2.check_launch(*args, **options)

    def run_instance(self, template: dict[str, Any] | None, instance_type: str | None) -> Any:
        ec2: Any = self.ec2_backend
        (image_id, user_data, groups), options = self._describe_launch(
            template, instance_type, *self._choose_zone()
        )
        return ec2.run_instances(image_id, 1, user_data, groups, **options).instances[0]

    def _describe_launch(
        self,
        template: dict[str, Any] | None,
        instance_type: str | None,
        zone: str,
        subnet: str | None,
    ) -> tuple[tuple[Any, Any, list[str]], dict[str, Any]]:
        """Return the image, user data and groups by name of a launch, and moto's options."""
        tags = {ASG_NAME_TAG: self.name, **self.get_propagated_tags()}
        options: dict[str, Any] = {
            "tags": {"instance": tags},
            "placement": zone,
            "subnet_id": subnet,
            "launch_template": template,
            "instance_type": instance_type,
            "is_instance_type_default": instance_type is None,
        }
        if template is not None:
            return (None, None, []), options
        configuration: Any = self.launch_config
        options |= {
            "launch_config": configuration,
            "instance_type": configuration.instance_type,
            "is_instance_type_default": False,
            "key_name": configuration.key_name,
            "metadata_options": configuration.metadata_options,
        }
        launch = configuration.image_id, configuration.user_data, configuration.security_groups
        return launch, options

    def _choose_zone(self) -> tuple[str, str | None]:
        """Return the zone with the fewest members, and the group's subnet there if it names one."""
        used = Counter(
            str(member.instance.availability_zone)
            for member in self.instance_states
            if member.lifecycle_state != "Terminating"
        )
        zone = min(self.availability_zones, key=lambda zone: used[zone])
        for subnet_id in (self.vpc_zone_identifier or "").split(","):
            if subnet_id and self.ec2_backend.get_subnet(subnet_id).availability_zone == zone:
                return zone, subnet_id
        return zone, None


@contextmanager
def _explained(kind: str) -> Iterator[None]:
    """Turn EC2's errors into Auto Scaling's."""
    try:
        yield
    except ServiceException as error:
        raise autoscaling_error(
            "ValidationError", f"You must use a valid fully-formed launch {kind}. {error.message}"
        ) from error
