# Each module validates its own variables; here is only what concerns the root alone.

# From the image's spec: `amikiln export terraform` writes these to NAME.auto.tfvars.json.

variable "name" {
  description = "The image's name, from its spec."
  type        = string
}

variable "region" {
  description = "The AWS region of all these resources."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]{2,})?-[a-z]+-[0-9]{1,2}$", var.region))
    error_message = "An AWS region, as us-east-1."
  }
}

variable "pointer" {
  description = "The SSM parameter that names the image in use."
  type        = string
}

variable "pointer_data_type" {
  description = "The pointer's data type; launch templates only resolve aws:ec2:image."
  type        = string
}

variable "subnet_parameter" {
  description = "The SSM parameter that will hold the build's subnet id."
  type        = string
}

variable "security_group_parameter" {
  description = "The SSM parameter that will hold the build's security group id."
  type        = string
}

variable "schedule" {
  description = "When Buildkite bakes: a cron line in UTC."
  type        = string
}

variable "pipeline_timeout_minutes" {
  description = "How long a step of the pipeline may take: the sum of the spec's deadlines."
  type        = number
}

variable "instance_types" {
  description = "The consumer queue's instance types, in order of preference."
  type        = list(string)
}

variable "volume" {
  description = "The root volume of the consumer queue's instances."
  type = object({
    size_gib       = number
    iops           = number
    throughput_mib = number
  })
}

variable "instance_storage" {
  description = "Whether Docker's data is on the instances' own disks, without the baked cache."
  type        = bool
}

variable "user_namespace_remap" {
  description = "Whether Docker remaps user namespaces, which moves its data root away from the baked cache."
  type        = bool
}

variable "stack_version" {
  description = "The release of Buildkite's Elastic CI Stack for AWS whose image is the spec's source; null: another source."
  type        = string
}

variable "stack_distribution" {
  description = "Which of that release's images: amazonlinux, or as ubuntu2404."
  type        = string
}

variable "stack_parameters" {
  description = "Further parameters of the consumer queue's stack: those that the spec's fleet.environment stands for."
  type        = map(string)
}

# From you: terraform.tfvars.

variable "pointer_exists" {
  description = "Whether the pointer exists and is to be imported; else it is created with first_image_id."
  type        = bool
  default     = true

  validation {
    condition     = var.pointer_exists || var.first_image_id != null
    error_message = "Terraform needs an image to create the pointer: set first_image_id."
  }
}

variable "first_image_id" {
  description = "The first value of a pointer that Terraform creates; an existing one is left alone."
  type        = string
  default     = null
}

variable "subnet_id" {
  description = "The subnet that images are baked and verified in."
  type        = string
}

variable "ssh_from" {
  description = "IPv4 networks that can ssh to build instances, besides the packer queue's instances."
  type        = list(string)
  default     = []
}

variable "queue_subnet_ids" {
  description = "Subnets of the queues' instances, in the VPC of subnet_id; subnet_id by default."
  type        = list(string)
  default     = []
}

variable "agent_token_parameter" {
  description = "The SSM parameter (SecureString) that holds the Buildkite agent token."
  type        = string
}

variable "secrets_bucket" {
  description = "The S3 bucket of the pipelines' secrets, such as ssh keys, if there is one."
  type        = string
  default     = null
}

variable "packer" {
  description = "The queue whose instances run amikiln."
  type = object({
    queue          = optional(string, "packer")
    instance_types = optional(list(string), ["t3.large"])
    max_size       = optional(number, 2)
  })
  default = {}
}

variable "consumer" {
  description = "The queue whose instances start from the image; by default it has the image's name."
  type = object({
    queue    = optional(string)
    max_size = optional(number, 10)
  })
  default = {}
}

variable "pipeline_name" {
  description = "The Buildkite pipeline's name."
  type        = string
  default     = "rebuild-cpu-ami"
}

variable "pipeline_file" {
  description = "The pipeline's steps, in the repository."
  type        = string
  default     = ".buildkite/pipelines/rebuild-cpu-ami.yml"
}

variable "repository" {
  description = "The git repository that holds the image's spec, as Buildkite's agents clone it."
  type        = string
}

variable "branch" {
  description = "The branch to bake from."
  type        = string
  default     = "main"
}

variable "cluster_id" {
  description = "The GraphQL id of the queues' Buildkite cluster; null for agents without a cluster."
  type        = string
  default     = null
}

variable "default_team_id" {
  description = "The GraphQL id of the Buildkite team that gets the pipeline; required if teams are enabled."
  type        = string
  default     = null
}
