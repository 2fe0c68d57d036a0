"""What other tools take: IAM policy, schemas, Terraform's values, Packer's folder."""
