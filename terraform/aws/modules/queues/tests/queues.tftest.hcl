# The queues, with a mock provider.

mock_provider "aws" {
  override_resource {
    target = aws_cloudformation_stack.packer
    values = {
      outputs = { InstanceRoleName = "cpu-build-packer-Role" }
    }
  }
  override_resource {
    target = aws_cloudformation_stack.consumer
    values = {
      outputs = { AutoScalingGroupName = "cpu-build-consumer-AgentAutoScaleGroup-1" }
    }
  }
}

variables {
  name                     = "cpu-build"
  stack_version            = "v6.71.1"
  stack_distribution       = "amazonlinux"
  stack_parameters         = {}
  agent_token_parameter    = "/buildkite/agent-token"
  secrets_bucket           = null
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_ids               = ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"]
  packer                   = { queue = "packer", instance_types = ["t3.large", "t3a.large"], max_size = 2 }
  packer_security_group_id = "sg-0123456789abcdef0"
  policy_arn               = "arn:aws:iam::123456789012:policy/cpu-build-build"
  consumer                 = { queue = null, max_size = 10 }
  pointer                  = "/buildkite/cpu-build-ami/us-east-1"
  pointer_data_type        = "aws:ec2:image"
  instance_types           = ["m7i.4xlarge", "m7a.4xlarge"]
  volume                   = { size_gib = 100, iops = 6000, throughput_mib = 500 }
  instance_storage         = false
  user_namespace_remap     = false
}

run "consumers_follow_the_pointer_at_each_launch" {
  assert {
    condition     = aws_cloudformation_stack.consumer.parameters["ImageId"] == "resolve:ssm:/buildkite/cpu-build-ami/us-east-1"
    error_message = "The launch template has to name the pointer, not an image."
  }
  assert {
    condition     = !contains(keys(aws_cloudformation_stack.consumer.parameters), "ImageIdParameter")
    error_message = "ImageIdParameter is resolved when the stack is created or updated, not at a launch."
  }
  assert {
    condition     = aws_cloudformation_stack.consumer.parameters["BuildkiteTerminateInstanceAfterJob"] == "true"
    error_message = "Instances must end after their job, so that the next one has the newest image."
  }
  assert {
    condition     = output.consumer_auto_scaling_group == "cpu-build-consumer-AgentAutoScaleGroup-1"
    error_message = "image.toml needs the group's name."
  }
}

run "a_baked_cache_is_where_docker_looks" {
  assert {
    condition     = aws_cloudformation_stack.consumer.parameters["EnableDockerUserNamespaceRemap"] == "false" && aws_cloudformation_stack.consumer.parameters["EnableInstanceStorage"] == "false"
    error_message = "Docker's data root is the image's."
  }
  assert {
    condition     = [for key in ["Size", "Iops", "Throughput"] : aws_cloudformation_stack.consumer.parameters["RootVolume${key}"]] == ["100", "6000", "500"]
    error_message = "The volume is the spec's."
  }
  assert {
    condition     = aws_cloudformation_stack.consumer.parameters["InstanceTypes"] == "m7i.4xlarge,m7a.4xlarge"
    error_message = "The types are the spec's, in their order."
  }
}

run "the_consumer_queue_has_the_images_name" {
  assert {
    condition     = aws_cloudformation_stack.consumer.parameters["BuildkiteQueue"] == "cpu-build" && aws_cloudformation_stack.packer.parameters["BuildkiteQueue"] == "packer"
    error_message = "Pipelines address the queues by these names."
  }
}

run "the_consumer_queue_can_have_another_name" {
  variables {
    consumer = { queue = "cpu", max_size = 3 }
  }

  assert {
    condition     = aws_cloudformation_stack.consumer.parameters["BuildkiteQueue"] == "cpu" && aws_cloudformation_stack.consumer.parameters["MaxSize"] == "3"
    error_message = "A queue can have another name."
  }
}

run "only_the_packer_queue_gets_the_policy" {
  assert {
    condition     = aws_iam_role_policy_attachment.packer.role == "cpu-build-packer-Role" && aws_iam_role_policy_attachment.packer.policy_arn == var.policy_arn
    error_message = "The packer queue's role gets the policy."
  }
  assert {
    condition     = !contains(keys(aws_cloudformation_stack.consumer.parameters), "ManagedPolicyARNs")
    error_message = "Instances that run jobs get no permissions on images."
  }
  assert {
    condition     = aws_cloudformation_stack.packer.parameters["SecurityGroupIds"] == "sg-0123456789abcdef0"
    error_message = "Build instances allow ssh from this group."
  }
}

run "both_stacks_are_of_one_release_and_without_the_token" {
  assert {
    condition     = toset([aws_cloudformation_stack.packer.template_url, aws_cloudformation_stack.consumer.template_url]) == toset(["https://s3.amazonaws.com/buildkite-aws-stack/v6.71.1/aws-stack.yml"])
    error_message = "Both stacks are of the given release."
  }
  assert {
    condition     = alltrue([for stack in [aws_cloudformation_stack.packer, aws_cloudformation_stack.consumer] : stack.parameters["BuildkiteAgentTokenParameterStorePath"] == "/buildkite/agent-token" && !contains(keys(stack.parameters), "BuildkiteAgentToken")])
    error_message = "The token stays in its parameter."
  }
  assert {
    condition     = alltrue([for stack in [aws_cloudformation_stack.packer, aws_cloudformation_stack.consumer] : stack.parameters["EnableSecretsPlugin"] == "false" && stack.parameters["IMDSv2Tokens"] == "required"])
    error_message = "No bucket is created by default, and IMDSv2 is required."
  }
}

run "secrets_come_from_the_bucket_that_is_named" {
  variables {
    secrets_bucket = "our-secrets"
  }

  assert {
    condition     = aws_cloudformation_stack.packer.parameters["SecretsBucket"] == "our-secrets" && aws_cloudformation_stack.packer.parameters["EnableSecretsPlugin"] == "true"
    error_message = "The bucket is used."
  }
}

run "a_plain_text_pointer_is_refused" {
  command = plan

  variables {
    pointer_data_type = "text"
  }

  expect_failures = [aws_cloudformation_stack.consumer]
}

run "an_image_that_is_not_made_from_the_stacks_own_is_refused" {
  command = plan

  variables {
    stack_version = null
  }

  expect_failures = [aws_cloudformation_stack.packer, aws_cloudformation_stack.consumer]
}

run "a_pre_release_has_its_own_template" {
  variables {
    stack_version = "v6.0.0-beta1"
  }

  assert {
    condition     = aws_cloudformation_stack.consumer.template_url == "https://s3.amazonaws.com/buildkite-aws-stack/v6.0.0-beta1/aws-stack.yml"
    error_message = "A pre-release can be named, as in the spec."
  }
}

run "amazon_linux_is_not_named_for_earlier_releases_have_no_such_parameter" {
  assert {
    condition     = !contains(keys(aws_cloudformation_stack.consumer.parameters), "LinuxDistribution")
    error_message = "CloudFormation refuses a parameter that the template does not have."
  }
}

run "the_root_volume_is_the_one_of_ubuntus_image" {
  variables {
    stack_distribution = "ubuntu2404"
  }

  assert {
    condition     = aws_cloudformation_stack.consumer.parameters["LinuxDistribution"] == "ubuntu2404"
    error_message = "Ubuntu's images have another root device."
  }
}

run "the_stack_boots_its_instances_as_verify_did" {
  variables {
    stack_parameters = { DockerNetworkingProtocol = "dualstack" }
  }

  assert {
    condition     = aws_cloudformation_stack.consumer.parameters["DockerNetworkingProtocol"] == "dualstack" && !contains(keys(aws_cloudformation_stack.packer.parameters), "DockerNetworkingProtocol")
    error_message = "The consumer's instances have the environment that the spec names."
  }
}

run "values_are_checked" {
  command = plan

  variables {
    name                  = "1-image"
    stack_version         = "latest"
    stack_distribution    = "windows"
    agent_token_parameter = "bkct_token"
    subnet_ids            = []
    packer                = { queue = "a queue", instance_types = [], max_size = 0 }
    instance_types        = []
    volume                = { size_gib = 100, iops = 100, throughput_mib = 500 }
  }

  expect_failures = [
    var.name, var.stack_version, var.stack_distribution, var.agent_token_parameter, var.subnet_ids, var.packer,
    var.instance_types, var.volume,
  ]
}

run "jobs_do_not_run_where_images_are_published" {
  command = plan

  variables {
    consumer = { queue = "packer", max_size = 10 }
  }

  expect_failures = [var.consumer]
}

run "a_queue_without_instances_is_refused" {
  command = plan

  variables {
    consumer = { queue = null, max_size = 0 }
  }

  expect_failures = [var.consumer]
}
