# First-time set-up of what amikiln works with in AWS. Nothing is decided here: the modules are
# wired to each other, and the pointer that was put by hand is adopted.

provider "aws" {
  region = var.region
}

# The first image is baked, and the pointer put, before Terraform runs. A pointer that was adopted
# already is not imported again, so this may stay.
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

module "queues" {
  source = "./modules/queues"

  name                     = var.name
  stack_version            = var.stack_version
  agent_token_parameter    = var.agent_token_parameter
  secrets_bucket           = var.secrets_bucket
  vpc_id                   = module.account.vpc_id
  subnet_ids               = coalescelist(var.queue_subnet_ids, [var.subnet_id])
  packer                   = var.packer
  packer_security_group_id = module.account.agents_security_group_id
  policy_arn               = module.account.policy_arn
  consumer                 = var.consumer
  pointer                  = module.account.pointer
  pointer_data_type        = module.account.pointer_data_type
  instance_types           = var.instance_types
  volume                   = var.volume
  instance_storage         = var.instance_storage
  user_namespace_remap     = var.user_namespace_remap
}
