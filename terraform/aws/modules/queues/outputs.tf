output "packer_role" {
  description = "The role of the instances that run amikiln."
  value       = aws_cloudformation_stack.packer.outputs["InstanceRoleName"]
}

output "consumer_auto_scaling_group" {
  description = "The Auto Scaling group whose instances follow the pointer."
  value       = aws_cloudformation_stack.consumer.outputs["AutoScalingGroupName"]
}
