variable "pipeline_name" {
  description = "The pipeline's name."
  type        = string
}

variable "pipeline_file" {
  description = "The pipeline's steps, in the repository."
  type        = string

  validation {
    # It becomes part of a command line on the agent.
    condition     = can(regex("^[A-Za-z0-9_./-]+[.]ya?ml$", var.pipeline_file))
    error_message = "A YAML file in the repository, as .buildkite/pipelines/rebuild-cpu-ami.yml."
  }
}

variable "repository" {
  description = "The git repository, as agents clone it."
  type        = string

  validation {
    condition     = can(regex("^(https://|ssh://|git@)[^ ]+$", var.repository))
    error_message = "A git URL, as git@github.com:owner/name.git."
  }
}

variable "branch" {
  description = "The branch to bake from."
  type        = string
}

variable "cluster_id" {
  description = "The cluster's GraphQL id; null: agents without a cluster."
  type        = string
}

variable "default_team_id" {
  description = "The GraphQL id of the team that gets the pipeline; null: none."
  type        = string
}

variable "queue" {
  description = "The queue whose instances bake the image."
  type        = string
}

variable "timeout_minutes" {
  description = "How long a step may take at most; the steps themselves say less."
  type        = number

  validation {
    condition     = var.timeout_minutes >= 1
    error_message = "Minutes, 1 at least."
  }
}

variable "schedule" {
  description = "When to bake: a cron line in UTC."
  type        = string

  validation {
    condition     = length(split(" ", var.schedule)) == 5
    error_message = "A cron line of five fields, as 0 6 * * *."
  }
}
