output "pointer" {
  description = "The SSM parameter that names the image in use."
  value       = aws_ssm_parameter.pointer.name
}

output "pointer_data_type" {
  description = "What the pointer really is, whoever put it."
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
  description = "The group of the packer queue's machines, from which build machines take ssh."
  value       = aws_security_group.agents.id
}

output "policy_arn" {
  description = "The policy for the machines that run amikiln."
  value       = aws_iam_policy.build.arn
}
