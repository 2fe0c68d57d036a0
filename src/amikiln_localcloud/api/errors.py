"""AWS's own error codes, raised by name.

Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

from __future__ import annotations

from moto.autoscaling.exceptions import AutoscalingClientError
from moto.ec2.exceptions import EC2ClientError


def ec2_error(code: str, message: str) -> EC2ClientError:
    """Return an EC2 error to raise."""
    return EC2ClientError(code, message)


def autoscaling_error(code: str, message: str) -> AutoscalingClientError:
    """Return an Auto Scaling error to raise."""
    return AutoscalingClientError(code, message)
