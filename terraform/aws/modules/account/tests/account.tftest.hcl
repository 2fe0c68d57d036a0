# The account's module, with a mock provider. All runs only plan: after an apply Terraform could not
# destroy the pointer. tests/terraform shows, with a real provider, that an existing pointer is left
# alone.

mock_provider "aws" {
  mock_data "aws_subnet" {
    defaults = {
      id                      = "subnet-0123456789abcdef0"
      vpc_id                  = "vpc-0123456789abcdef0"
      map_public_ip_on_launch = false
    }
  }
}

override_resource {
  target          = aws_security_group.agents
  override_during = plan
  values          = { id = "sg-00000000000000001" }
}

override_resource {
  target          = aws_security_group.build
  override_during = plan
  values          = { id = "sg-00000000000000002" }
}

variables {
  name                     = "cpu-build"
  pointer                  = "/buildkite/cpu-build-ami/us-east-1"
  pointer_data_type        = "aws:ec2:image"
  first_image_id           = "ami-0123456789abcdef0"
  subnet_id                = "subnet-0123456789abcdef0"
  subnet_parameter         = "/buildkite/cpu-build-ami/us-east-1/subnet-id"
  security_group_parameter = "/buildkite/cpu-build-ami/us-east-1/security-group-id"
  ssh_from                 = []
  policy_json              = "{\"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"ec2:DescribeImages\", \"Resource\": \"*\"}]}"
}

run "the_first_image_makes_the_pointer" {
  command = plan

  assert {
    condition     = aws_ssm_parameter.pointer.name == var.pointer && aws_ssm_parameter.pointer.type == "String"
    error_message = "The pointer is a String with the spec's name."
  }
  assert {
    condition     = nonsensitive(aws_ssm_parameter.pointer.value) == "ami-0123456789abcdef0"
    error_message = "A pointer that Terraform creates names the first image."
  }
  assert {
    condition     = output.pointer_data_type == "aws:ec2:image"
    error_message = "Launch templates resolve no other data type."
  }
}

run "the_build_finds_its_network" {
  command = plan

  assert {
    condition     = aws_ssm_parameter.subnet_id.name == var.subnet_parameter && nonsensitive(aws_ssm_parameter.subnet_id.value) == var.subnet_id
    error_message = "The subnet's id is where image.toml looks."
  }
  assert {
    condition     = aws_ssm_parameter.security_group_id.name == var.security_group_parameter && nonsensitive(aws_ssm_parameter.security_group_id.value) == aws_security_group.build.id
    error_message = "The security group's id is where image.toml looks."
  }
  assert {
    condition     = aws_security_group.build.vpc_id == "vpc-0123456789abcdef0" && output.vpc_id == "vpc-0123456789abcdef0"
    error_message = "The group is in the subnet's VPC."
  }
}

run "only_ssh_from_the_packer_queue_is_allowed" {
  command = plan

  assert {
    condition     = [for rule in aws_security_group.build.ingress : [rule.protocol, rule.from_port, rule.to_port, length(rule.cidr_blocks == null ? [] : rule.cidr_blocks)]] == [["tcp", 22, 22, 0]]
    error_message = "Build instances allow ssh from the packer queue's instances, and nothing else."
  }
  assert {
    condition     = [for rule in aws_security_group.build.ingress : rule.security_groups] == [toset([aws_security_group.agents.id])]
    error_message = "The source is the packer queue's group."
  }
  assert {
    condition     = length(aws_security_group.agents.ingress == null ? [] : aws_security_group.agents.ingress) == 0
    error_message = "Instances that can publish have no ingress."
  }
}

run "listed_networks_are_allowed_too" {
  command = plan

  variables {
    ssh_from = ["203.0.113.7/32", "198.51.100.0/24"]
  }

  assert {
    condition     = contains([for rule in aws_security_group.build.ingress : rule.cidr_blocks], tolist(["203.0.113.7/32", "198.51.100.0/24"]))
    error_message = "Networks in ssh_from are allowed."
  }
}

run "public_addresses_need_a_list" {
  command = plan

  override_data {
    target = data.aws_subnet.build
    values = {
      map_public_ip_on_launch = true
    }
  }

  expect_failures = [aws_security_group.build]
}

run "the_whole_internet_is_refused" {
  command = plan

  variables {
    ssh_from = ["0.0.0.0/0"]
  }

  expect_failures = [var.ssh_from]
}

run "what_is_no_network_is_refused" {
  command = plan

  variables {
    ssh_from = ["2001:db8::/32"]
  }

  expect_failures = [var.ssh_from]
}

run "ids_and_paths_are_checked" {
  command = plan

  variables {
    name                     = "CPU build"
    pointer                  = "cpu-build-ami"
    pointer_data_type        = "ami"
    first_image_id           = "latest"
    subnet_id                = "default"
    subnet_parameter         = "/{region}/subnet-id"
    security_group_parameter = ""
  }

  expect_failures = [
    var.name, var.pointer, var.pointer_data_type, var.first_image_id, var.subnet_id,
    var.subnet_parameter, var.security_group_parameter,
  ]
}

run "a_policy_without_statements_is_refused" {
  command = plan

  variables {
    policy_json = "{\"Version\": \"2012-10-17\"}"
  }

  expect_failures = [var.policy_json]
}

run "a_policy_that_is_too_long_for_iam_is_refused" {
  command = plan

  variables {
    policy_json = jsonencode({
      Statement = [for number in range(100) : { Effect = "Allow", Action = "ec2:DescribeImages", Resource = "arn:aws:ec2:us-east-1::image/${number}" }]
    })
  }

  expect_failures = [var.policy_json]
}
