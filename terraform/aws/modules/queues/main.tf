# Two Elastic CI Stacks of one exact release: https://github.com/buildkite/elastic-ci-stack-for-aws

locals {
  template = "https://s3.amazonaws.com/buildkite-aws-stack/${var.stack_version}/aws-stack.yml"

  # The template has nested stacks and roles with names.
  capabilities = ["CAPABILITY_AUTO_EXPAND", "CAPABILITY_NAMED_IAM"]

  both = {
    # A path, not the token itself: that would be in Terraform's state.
    BuildkiteAgentTokenParameterStorePath = var.agent_token_parameter
    # Without the plugin, no bucket is made that outlives the stack.
    EnableSecretsPlugin = var.secrets_bucket == null ? "false" : "true"
    SecretsBucket       = var.secrets_bucket == null ? "" : var.secrets_bucket
    VpcId               = var.vpc_id
    Subnets             = join(",", var.subnet_ids)
    IMDSv2Tokens        = "required"
    MinSize             = "0"
  }
}

# Runs amikiln, one bake at a time; its machines are the stack's own image.
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
}

# The stack's parameter ManagedPolicyARNs would do as well; this way the plan shows who may what.
resource "aws_iam_role_policy_attachment" "packer" {
  role       = aws_cloudformation_stack.packer.outputs["InstanceRoleName"]
  policy_arn = var.policy_arn
}

# Runs jobs on the image.
resource "aws_cloudformation_stack" "consumer" {
  name         = "${var.name}-consumer"
  template_url = local.template
  capabilities = local.capabilities

  parameters = merge(local.both, {
    BuildkiteQueue = coalesce(var.consumer.queue, var.name)
    InstanceTypes  = join(",", var.instance_types)
    MaxSize        = tostring(var.consumer.max_size)

    # The text goes into the launch template as it is, and EC2 resolves it at each launch: the
    # next machine is of the image that was published last. ImageIdParameter, and
    # {{resolve:ssm:...}} too, are resolved when the stack is made or updated, so that a published
    # image would reach no machine; and an update that brings a new image replaces the whole Auto
    # Scaling group, jobs and all.
    # https://docs.aws.amazon.com/autoscaling/ec2/userguide/using-systems-manager-parameters.html
    ImageId = "resolve:ssm:${var.pointer}"

    # Each machine serves one job, and the next job gets a machine of the newest image.
    BuildkiteTerminateInstanceAfterJob = "true"

    # Both give Docker another data root, where a baked cache is not; the second is on by default.
    EnableInstanceStorage          = tostring(var.instance_storage)
    EnableDockerUserNamespaceRemap = tostring(var.user_namespace_remap)

    RootVolumeType       = "gp3"
    RootVolumeSize       = tostring(var.volume.size_gib)
    RootVolumeIops       = tostring(var.volume.iops)
    RootVolumeThroughput = tostring(var.volume.throughput_mib)
  })

  lifecycle {
    precondition {
      # EC2 refuses such a launch template, half-way through making the stack.
      condition     = var.pointer_data_type == "aws:ec2:image"
      error_message = "EC2 resolves parameters of the data type aws:ec2:image alone, and ${var.pointer} is ${var.pointer_data_type}: README.md says how to put it anew."
    }
  }
}
