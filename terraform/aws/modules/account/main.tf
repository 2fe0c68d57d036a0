data "aws_subnet" "build" {
  id = var.subnet_id
}

# The instances that run amikiln. There is no ingress: Buildkite's agents poll for jobs.
resource "aws_security_group" "agents" {
  name        = "${var.name}-packer-agents"
  description = "The packer queue: machines that bake the image ${var.name}"
  vpc_id      = data.aws_subnet.build.vpc_id
  tags        = { Name = "${var.name}-packer-agents" }

  egress {
    description      = "Buildkite, AWS, registries, and ssh to build machines"
    protocol         = "-1"
    from_port        = 0
    to_port          = 0
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }
}

# The instances that an image is baked and verified on. Without amikiln's tags: it deletes tagged
# resources whose run has died.
resource "aws_security_group" "build" {
  name        = "${var.name}-build"
  description = "Machines that the image ${var.name} is baked and verified on"
  vpc_id      = data.aws_subnet.build.vpc_id
  tags        = { Name = "${var.name}-build" }

  ingress {
    description     = "ssh from the packer queue, by private addresses"
    protocol        = "tcp"
    from_port       = 22
    to_port         = 22
    security_groups = [aws_security_group.agents.id]
  }

  dynamic "ingress" {
    for_each = length(var.ssh_from) > 0 ? [var.ssh_from] : []

    content {
      description = "ssh from elsewhere"
      protocol    = "tcp"
      from_port   = 22
      to_port     = 22
      cidr_blocks = ingress.value
    }
  }

  egress {
    description      = "Packages and registries"
    protocol         = "-1"
    from_port        = 0
    to_port          = 0
    cidr_blocks      = ["0.0.0.0/0"]
    ipv6_cidr_blocks = ["::/0"]
  }

  lifecycle {
    precondition {
      # A group as a source matches private addresses only, and amikiln connects to an instance's
      # public address if it has one.
      condition     = !data.aws_subnet.build.map_public_ip_on_launch || length(var.ssh_from) > 0
      error_message = "Instances in ${var.subnet_id} get public addresses, and amikiln connects to these: choose a subnet without, or list the packer queue's public addresses in ssh_from."
    }
  }
}

# For [instance] in image.toml: subnet_parameter and security_group_parameter.
resource "aws_ssm_parameter" "subnet_id" {
  name        = var.subnet_parameter
  description = "The subnet that the image ${var.name} is baked in"
  type        = "String"
  value       = data.aws_subnet.build.id
}

resource "aws_ssm_parameter" "security_group_id" {
  name        = var.security_group_parameter
  description = "The security group of machines that the image ${var.name} is baked on"
  type        = "String"
  value       = aws_security_group.build.id
}

resource "aws_iam_policy" "build" {
  name        = "${var.name}-build"
  description = "What amikiln needs to bake, verify and publish the image ${var.name}"
  policy      = var.policy_json
}
