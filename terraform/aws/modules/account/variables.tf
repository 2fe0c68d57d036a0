variable "name" {
  description = "The image's name; other names start with it."
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
  description = "The data type with which amikiln publishes."
  type        = string

  validation {
    condition     = contains(["aws:ec2:image", "text"], var.pointer_data_type)
    error_message = "aws:ec2:image or text."
  }
}

variable "first_image_id" {
  description = "The first value of a pointer that Terraform creates."
  type        = string
  default     = null

  validation {
    condition     = var.first_image_id == null || can(regex("^ami-[0-9a-f]{8,17}$", var.first_image_id))
    error_message = "An AMI id, as ami-0123456789abcdef0."
  }
}

variable "subnet_id" {
  description = "The subnet that images are baked in; the security groups are in its VPC."
  type        = string

  validation {
    condition     = can(regex("^subnet-[0-9a-f]{8,17}$", var.subnet_id))
    error_message = "A subnet id, as subnet-0123456789abcdef0."
  }
}

variable "subnet_parameter" {
  description = "The SSM parameter that will hold the subnet's id."
  type        = string

  validation {
    condition     = can(regex("^(/[A-Za-z0-9_.-]+){1,15}$", var.subnet_parameter))
    error_message = "An SSM path, as /buildkite/cpu-build-ami/us-east-1/subnet-id."
  }
}

variable "security_group_parameter" {
  description = "The SSM parameter that will hold the security group's id."
  type        = string

  validation {
    condition     = can(regex("^(/[A-Za-z0-9_.-]+){1,15}$", var.security_group_parameter))
    error_message = "An SSM path, as /buildkite/cpu-build-ami/us-east-1/security-group-id."
  }
}

variable "ssh_from" {
  description = "IPv4 networks that can ssh to build instances, besides the packer queue's instances."
  type        = list(string)

  validation {
    condition     = alltrue([for network in var.ssh_from : can(cidrhost(network, 0)) && strcontains(network, ".")])
    error_message = "IPv4 networks, as 203.0.113.7/32."
  }

  validation {
    condition     = !contains(var.ssh_from, "0.0.0.0/0")
    error_message = "Not the whole Internet: list the networks that amikiln runs in."
  }
}

variable "policy_json" {
  description = "The IAM policy that amikiln needs, as `amikiln export iam-policy` prints it."
  type        = string

  validation {
    condition     = can(jsondecode(var.policy_json).Statement[0])
    error_message = "An IAM policy document in JSON, with statements."
  }

  validation {
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: without white space.
    condition     = try(length(jsonencode(jsondecode(var.policy_json))), 0) <= 6144
    error_message = "A managed policy of IAM has at most 6144 characters."
  }
}
