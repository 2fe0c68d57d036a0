output "pointer" {
  description = "The SSM parameter that names the image in use."
  value       = aws_ssm_parameter.pointer.name
}

output "pointer_data_type" {
  description = "The pointer's actual data type, even if it was created by hand."
  value       = aws_ssm_parameter.pointer.data_type
}

output "subnet_parameter" {
  description = "The SSM parameter that holds the build's subnet id."
  value       = aws_ssm_parameter.subnet_id.name
}

output "security_group_parameter" {
  description = "The SSM parameter that holds the build's security group id."
  value       = aws_ssm_parameter.security_group_id.name
}

output "vpc_id" {
  description = "The VPC of the build."
  value       = data.aws_subnet.build.vpc_id
}

output "agents_security_group_id" {
  description = "The packer queue's security group; build instances allow ssh from it."
  value       = aws_security_group.agents.id
}

output "policy_arn" {
  description = "The policy for the instances that run amikiln."
  value       = aws_iam_policy.build.arn
}
