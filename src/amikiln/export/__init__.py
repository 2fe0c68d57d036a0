"""What other tools take: IAM policy, schemas, Terraform's values, Packer's folder."""

ANY_ACCOUNT = "*"
ROOT_DEVICE = "/dev/xvda"
"""Amazon Linux's and Debian's. A build checks it: with another one Packer would add a volume."""
