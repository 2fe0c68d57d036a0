variable "name" {
  description = "The image's name; the stacks are called NAME-packer and NAME-consumer."
  type        = string

  validation {
    # CloudFormation requires a letter first; the role NAME-consumer-Role has at most 64 characters.
    condition     = can(regex("^[a-z][a-z0-9-]{0,49}$", var.name))
    error_message = "Lower-case letters, digits and -, 50 at most, a letter first."
  }
}

variable "stack_version" {
  description = "The exact release of the Elastic CI Stack whose image the pointer's images are made from; null: they are made from another."
  type        = string

  validation {
    condition     = var.stack_version == null || can(regex("^v[0-9]+[.][0-9]+[.][0-9]+(-[0-9A-Za-z-]+([.][0-9A-Za-z-]+)*)?$", var.stack_version))
    error_message = "A release, as v6.71.1 or v6.0.0-beta1: `latest` could be another template at each update."
  }
}

variable "stack_distribution" {
  description = "The Linux distribution of the pointer's images, as source.stack_distribution names it."
  type        = string

  validation {
    condition     = can(regex("^(amazonlinux[0-9]{0,4}|ubuntu[0-9]{4})$", var.stack_distribution))
    error_message = "amazonlinux, or as ubuntu2404."
  }
}

variable "stack_parameters" {
  description = "Further parameters of the consumer queue's stack."
  type        = map(string)
}

variable "agent_token_parameter" {
  description = "The SSM parameter that holds the agent token."
  type        = string

  validation {
    condition     = can(regex("^(/[A-Za-z0-9_.-]+){1,15}$", var.agent_token_parameter))
    error_message = "An SSM path, as /buildkite/agent-token; not the token itself."
  }
}

variable "secrets_bucket" {
  description = "The S3 bucket of the pipelines' secrets, or null."
  type        = string
}

variable "vpc_id" {
  description = "The VPC of the queues' instances."
  type        = string
}

variable "subnet_ids" {
  description = "The subnets of the queues' instances."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0 && alltrue([for id in var.subnet_ids : can(regex("^subnet-[0-9a-f]{8,17}$", id))])
    error_message = "Subnet ids, as subnet-0123456789abcdef0."
  }
}

variable "packer" {
  description = "The queue whose instances run amikiln."
  type = object({
    queue          = string
    instance_types = list(string)
    max_size       = number
  })

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+$", var.packer.queue))
    error_message = "A queue's name: letters, digits, _ and -."
  }

  validation {
    condition     = length(var.packer.instance_types) > 0 && alltrue([for type in var.packer.instance_types : can(regex("^[a-z0-9-]+[.][a-z0-9-]+$", type))])
    error_message = "Instance types, as t3.large."
  }

  validation {
    condition     = var.packer.max_size >= 1 && floor(var.packer.max_size) == var.packer.max_size
    error_message = "At least one instance, or nothing would ever be baked."
  }
}

variable "packer_security_group_id" {
  description = "The security group of the packer queue's instances."
  type        = string
}

variable "policy_arn" {
  description = "The policy that the packer queue's role gets."
  type        = string
}

variable "consumer" {
  description = "The queue whose instances start from the image."
  type = object({
    queue    = string
    max_size = number
  })

  validation {
    condition     = var.consumer.queue == null || can(regex("^[A-Za-z0-9_-]+$", var.consumer.queue))
    error_message = "A queue's name: letters, digits, _ and -; null: the image's name."
  }

  validation {
    # The packer queue's instances can publish images, so they must not run other jobs.
    condition     = coalesce(var.consumer.queue, var.name) != var.packer.queue
    error_message = "The two queues need different names."
  }

  validation {
    condition     = var.consumer.max_size >= 1 && floor(var.consumer.max_size) == var.consumer.max_size
    error_message = "At least one instance."
  }
}

variable "pointer" {
  description = "The SSM parameter that names the image in use."
  type        = string
}

variable "pointer_data_type" {
  description = "The pointer's actual data type."
  type        = string
}

variable "instance_types" {
  description = "The consumer queue's instance types, in order of preference."
  type        = list(string)

  validation {
    # https://github.com/buildkite/elastic-ci-stack-for-aws takes at most 25.
    condition     = length(var.instance_types) >= 1 && length(var.instance_types) <= 25 && alltrue([for type in var.instance_types : can(regex("^[a-z0-9-]+[.][a-z0-9-]+$", type))])
    error_message = "1 to 25 instance types, as m7i.4xlarge."
  }
}

variable "volume" {
  description = "The gp3 root volume of the consumer queue's instances; at least as large as the image's."
  type = object({
    size_gib       = number
    iops           = number
    throughput_mib = number
  })

  validation {
    condition     = var.volume.size_gib >= 10 && var.volume.iops >= 3000 && var.volume.throughput_mib >= 125
    error_message = "At least 10 GiB (the stack's limit), 3000 IOPS and 125 MiB/s (gp3's)."
  }
}

variable "instance_storage" {
  description = "Whether Docker's data is on the instances' own disks."
  type        = bool
}

variable "user_namespace_remap" {
  description = "Whether Docker remaps user namespaces."
  type        = bool
}
