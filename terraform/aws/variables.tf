# What is checked here is what only the root knows; each module checks what it is given.

# From the image's spec: `amikiln export terraform` writes these to NAME.auto.tfvars.json.

variable "name" {
  description = "The image's name in its spec."
  type        = string
}

variable "region" {
  description = "The AWS region of everything here."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "An AWS region, as us-east-1."
  }
}

variable "pointer" {
  description = "The SSM parameter that names the image in use."
  type        = string
}

variable "pointer_data_type" {
  description = "The pointer's data type: what launch templates resolve has to be aws:ec2:image."
  type        = string
}

variable "subnet_parameter" {
  description = "The SSM parameter that shall hold the build's subnet id."
  type        = string
}

variable "security_group_parameter" {
  description = "The SSM parameter that shall hold the build's security group id."
  type        = string
}

variable "schedule" {
  description = "When Buildkite bakes: a cron line in UTC."
  type        = string
}

variable "instance_types" {
  description = "What the consumer queue's machines are, in order of preference."
  type        = list(string)
}

variable "volume" {
  description = "The root volume of the consumer queue's machines."
  type = object({
    size_gib       = number
    iops           = number
    throughput_mib = number
  })
}

variable "instance_storage" {
  description = "Whether Docker's data moves to the machines' own disks: a baked cache is lost there."
  type        = bool
}

variable "user_namespace_remap" {
  description = "Whether Docker maps users: it then has another data root, without a cache."
  type        = bool
}

# From whoever sets the account up: terraform.tfvars.

variable "pointer_exists" {
  description = "Whether the pointer was put by hand and is to be adopted; else first_image_id makes it."
  type        = bool
  default     = true

  validation {
    condition     = var.pointer_exists || var.first_image_id != null
    error_message = "Terraform makes the pointer only with an image to name: set first_image_id."
  }
}

variable "first_image_id" {
  description = "The image that a pointer names which Terraform makes; never written to one that is there."
  type        = string
  default     = null
}

variable "subnet_id" {
  description = "The subnet that images are baked and verified in."
  type        = string
}

variable "ssh_from" {
  description = "IPv4 networks that may reach build machines by ssh, beside the packer queue's machines."
  type        = list(string)
  default     = []
}

variable "queue_subnet_ids" {
  description = "Subnets of the queues' machines, in the VPC of subnet_id; none: subnet_id."
  type        = list(string)
  default     = []
}

variable "stack_version" {
  description = "The release of Buildkite's Elastic CI Stack for AWS: the spec's, where it bakes on that one's image."
  type        = string
  default     = "v6.71.1"
}

variable "agent_token_parameter" {
  description = "The SSM parameter (SecureString) that holds the Buildkite agent token."
  type        = string
}

variable "secrets_bucket" {
  description = "The S3 bucket of the pipelines' secrets, as ssh keys; null: the queues have none."
  type        = string
  default     = null
}

variable "packer" {
  description = "The queue whose machines run amikiln."
  type = object({
    queue          = optional(string, "packer")
    instance_types = optional(list(string), ["t3.large"])
    max_size       = optional(number, 2)
  })
  default = {}
}

variable "consumer" {
  description = "The queue whose machines start from the image; its name is the image's by default."
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
  description = "The branch that is baked from."
  type        = string
  default     = "main"
}

variable "cluster_id" {
  description = "The Buildkite cluster of the queues, by its GraphQL id; null: agents without a cluster."
  type        = string
  default     = null
}

variable "default_team_id" {
  description = "The Buildkite team that gets the pipeline, by its GraphQL id; needed where teams are on."
  type        = string
  default     = null
}
