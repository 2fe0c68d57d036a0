module "queues" {
  source = "./modules/queues"

  name                     = var.name
  stack_version            = var.stack_version
  stack_distribution       = var.stack_distribution
  stack_parameters         = var.stack_parameters
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

output "packer_role" {
  description = "The role of the instances that bake; the policy is attached to it."
  value       = module.queues.packer_role
}

output "consumer_auto_scaling_group" {
  description = "For [fleet] in image.toml: auto_scaling_groups."
  value       = module.queues.consumer_auto_scaling_group
}
