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

output "consumer_auto_scaling_group" {
  description = "For [fleet] in image.toml: auto_scaling_groups."
  value       = module.queues.consumer_auto_scaling_group
}

output "packer_role" {
  description = "The role of the machines that bake; the policy is attached to it."
  value       = module.queues.packer_role
}
