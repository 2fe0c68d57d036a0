variable "name" {
  description = "The image's name; other names begin with it."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,62}$", var.name))
    error_message = "Lower-case letters, digits and -, 63 at most."
  }
}

variable "pointer" {
  description = "The SSM parameter that names the image in use."
  type        = string

  validation {
    condition     = can(regex("^(/[A-Za-z0-9_.-]+){1,15}$", var.pointer))
    error_message = "An SSM path, as /buildkite/cpu-build-ami/us-east-1."
  }
}

variable "pointer_data_type" {
  description = "What amikiln publishes as."
  type        = string

  validation {
    condition     = contains(["aws:ec2:image", "text"], var.pointer_data_type)
    error_message = "aws:ec2:image or text."
  }
}

variable "first_image_id" {
  description = "The image that a pointer names which is made here."
  type        = string
  default     = null

  validation {
    condition     = var.first_image_id == null || can(regex("^ami-[0-9a-f]{8,17}$", var.first_image_id))
    error_message = "An AMI id, as ami-0123456789abcdef0."
  }
}

variable "subnet_id" {
  description = "The subnet that images are baked in; its VPC is that of the security groups."
  type        = string

  validation {
    condition     = can(regex("^subnet-[0-9a-f]{8,17}$", var.subnet_id))
    error_message = "A subnet id, as subnet-0123456789abcdef0."
  }
}

variable "subnet_parameter" {
  description = "The SSM parameter that shall hold the subnet's id."
  type        = string

  validation {
    condition     = can(regex("^(/[A-Za-z0-9_.-]+){1,15}$", var.subnet_parameter))
    error_message = "An SSM path, as /buildkite/cpu-build-ami/us-east-1/subnet-id."
  }
}

variable "security_group_parameter" {
  description = "The SSM parameter that shall hold the security group's id."
  type        = string

  validation {
    condition     = can(regex("^(/[A-Za-z0-9_.-]+){1,15}$", var.security_group_parameter))
    error_message = "An SSM path, as /buildkite/cpu-build-ami/us-east-1/security-group-id."
  }
}

variable "ssh_from" {
  description = "IPv4 networks that may reach build machines by ssh, beside the packer queue's machines."
  type        = list(string)

  validation {
    condition     = alltrue([for network in var.ssh_from : can(cidrhost(network, 0)) && strcontains(network, ".")])
    error_message = "IPv4 networks, as 203.0.113.7/32."
  }

  validation {
    condition     = !contains(var.ssh_from, "0.0.0.0/0")
    error_message = "Not the whole Internet: list the networks that bake."
  }
}

variable "policy_json" {
  description = "What amikiln needs: `amikiln export iam-policy` prints it."
  type        = string

  validation {
    condition     = can(jsondecode(var.policy_json).Statement[0])
    error_message = "An IAM policy document in JSON, with statements."
  }

  validation {
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: without white space.
    condition     = try(length(jsonencode(jsondecode(var.policy_json))), 0) <= 6144
    error_message = "IAM keeps at most 6144 characters in a managed policy."
  }
}
