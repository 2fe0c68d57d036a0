# First-time set-up of the AWS resources that amikiln uses. Each file of this folder wires one module
# and its outputs; this one also imports a pointer that was created by hand.

provider "aws" {
  region = var.region
}

# The first image is baked, and the pointer created, before Terraform runs. An imported pointer is not
# imported again, so this block can stay.
import {
  for_each = var.pointer_exists ? toset([var.pointer]) : toset([])
  to       = module.account.aws_ssm_parameter.pointer
  id       = each.value
}

module "account" {
  source = "./modules/account"

  name                     = var.name
  pointer                  = var.pointer
  pointer_data_type        = var.pointer_data_type
  first_image_id           = var.first_image_id
  subnet_id                = var.subnet_id
  subnet_parameter         = var.subnet_parameter
  security_group_parameter = var.security_group_parameter
  ssh_from                 = var.ssh_from
  policy_json              = file("${path.module}/build-policy.json")
}

output "pointer" {
  description = "The SSM parameter that names the image in use."
  value       = module.account.pointer
}

output "subnet_parameter" {
  description = "For [instance] in image.toml: subnet_parameter."
  value       = module.account.subnet_parameter
}

output "security_group_parameter" {
  description = "For [instance] in image.toml: security_group_parameter."
  value       = module.account.security_group_parameter
}
