# Two Elastic CI Stacks of the same pinned release: https://github.com/buildkite/elastic-ci-stack-for-aws

locals {
  template = var.stack_version == null ? null : "https://s3.amazonaws.com/buildkite-aws-stack/${var.stack_version}/aws-stack.yml"

  # The template has nested stacks and named roles.
  capabilities = ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_NAMED_IAM"]

  both = {
    # The path of the token, because the token itself would be in Terraform's state.
    BuildkiteAgentTokenParameterStorePath = var.agent_token_parameter
    # The plugin would create a bucket that outlives the stack.
    EnableSecretsPlugin = var.secrets_bucket == null ? "false" : "true"
    SecretsBucket       = var.secrets_bucket == null ? "" : var.secrets_bucket
    VpcId               = var.vpc_id
    Subnets             = join(",", var.subnet_ids)
    IMDSv2Tokens        = "required"
    MinSize             = "0"
  }
}

locals {
  # The stack's boot scripts and its agent are in its own image only: an instance of another one would
  # never take a job, and its Auto Scaling group would replace it for ever.
  other_source = "The queues are Elastic CI Stacks, and the image is not made from the stack's own: set source.stack_version in image.toml, and export the values again."
}

# Runs amikiln, one bake at a time, on the stack's own image.
resource "aws_cloudformation_stack" "packer" {
  name         = "${var.name}-packer"
  template_url = local.template
  capabilities = local.capabilities

  parameters = merge(local.both, {
    BuildkiteQueue   = var.packer.queue
    InstanceTypes    = join(",", var.packer.instance_types)
    MaxSize          = tostring(var.packer.max_size)
    SecurityGroupIds = var.packer_security_group_id
  })

  lifecycle {
    precondition {
      condition     = var.stack_version != null
      error_message = local.other_source
    }
  }
}

# The stack's parameter ManagedPolicyARNs would do the same, but this way the plan shows it.
resource "aws_iam_role_policy_attachment" "packer" {
  role       = aws_cloudformation_stack.packer.outputs["InstanceRoleName"]
  policy_arn = var.policy_arn
}

# Runs jobs on the image.
resource "aws_cloudformation_stack" "consumer" {
  name         = "${var.name}-consumer"
  template_url = local.template
  capabilities = local.capabilities

  # The stack names the root device by its distribution: with the wrong name, an instance would have
  # the image's small volume and a second one beside it. Earlier releases have no such parameter.
  parameters = merge(local.both, var.stack_parameters, startswith(var.stack_distribution, "ubuntu") ? { LinuxDistribution = var.stack_distribution } : {}, {
    BuildkiteQueue = coalesce(var.consumer.queue, var.name)
    InstanceTypes  = join(",", var.instance_types)
    MaxSize        = tostring(var.consumer.max_size)

    # This goes into the launch template unchanged, and EC2 resolves it at each launch, so the next
    # instance starts from the latest published image. ImageIdParameter and {{resolve:ssm:...}} are
    # resolved when the stack is created or updated: no instance would use a published image before
    # that, and an update with a new image replaces the whole Auto Scaling group, running jobs
    # included.
    # https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html
    ImageId = "resolve:ssm:${var.pointer}"

    # Each instance runs one job, and the next job gets an instance with the newest image.
    BuildkiteTerminateInstanceAfterJob = "true"

    # Both move Docker's data root away from the baked cache; the second is on by default.
    EnableInstanceStorage          = tostring(var.instance_storage)
    EnableDockerUserNamespaceRemap = tostring(var.user_namespace_remap)

    RootVolumeType       = "gp3"
    RootVolumeSize       = tostring(var.volume.size_gib)
    RootVolumeIops       = tostring(var.volume.iops)
    RootVolumeThroughput = tostring(var.volume.throughput_mib)
  })

  lifecycle {
    precondition {
      condition     = var.stack_version != null
      error_message = local.other_source
    }

    precondition {
      # Otherwise EC2 refuses the launch template in the middle of creating the stack.
      condition     = var.pointer_data_type == "aws:ec2:image"
      error_message = "EC2 only resolves parameters of the data type aws:ec2:image, and ${var.pointer} is ${var.pointer_data_type}: README.md says how to create it again."
    }
  }
}
