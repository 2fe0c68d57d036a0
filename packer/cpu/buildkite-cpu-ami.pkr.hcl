# The image cpu-build, built by Packer from the same recipe that `amikiln bake` runs.
# Written by `amikiln export packer` from images/cpu-build/image.toml: edit that, and export again.
#   packer init .
#   packer build buildkite-cpu-ami.pkr.hcl

packer {
  required_version = ">= 1.10.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "= 1.8.3"
    }
  }
}

variable "region" {
  type        = string
  default     = "us-east-1"
  description = "The AWS region that the image is built in."
  validation {
    condition     = var.region != "" && regex_replace(var.region, "^[a-z]{2,4}(-[a-z]{2,})?-[a-z]+-[0-9]{1,2}$", "") == ""
    error_message = "The region must be one of AWS's, as us-east-1."
  }
}

variable "ami_name_prefix" {
  type        = string
  default     = "buildkite-cpu-build"
  description = "The image's name starts with this; the time follows."
  validation {
    condition     = var.ami_name_prefix != "" && regex_replace(var.ami_name_prefix, "^[A-Za-z0-9()\\[\\] ./'@_-]{3,100}$", "") == ""
    error_message = "The name's prefix must be 3 to 100 of: letters, digits, spaces and ( ) [ ] . / - ' @ _."
  }
}

variable "source_ami_name" {
  type        = string
  default     = "buildkite-stack-linux-amazonlinux2023-x86_64-*"
  description = "The source image's name, with * and ? as wildcards; the newest match is used."
  validation {
    condition     = length(var.source_ami_name) > 0
    error_message = "The source image's name must not be empty."
  }
}

variable "source_ami_owner" {
  type        = string
  default     = "172840064832"
  description = "The source image's owner: anybody can give an image that name."
  validation {
    condition     = var.source_ami_owner != "" && regex_replace(var.source_ami_owner, "^([0-9]{12}|amazon|self|aws-marketplace)$", "") == ""
    error_message = "The owner must be an account of 12 digits, amazon, self or aws-marketplace."
  }
}

variable "ssh_username" {
  type        = string
  default     = "ec2-user"
  description = "The user to log in as; root, or one that can use sudo without a password."
  validation {
    condition     = var.ssh_username != "" && regex_replace(var.ssh_username, "^[a-z_][a-z0-9_-]{0,31}$", "") == ""
    error_message = "The user must be a Linux user name."
  }
}

variable "instance_type" {
  type        = string
  default     = "m6in.8xlarge"
  description = "The instance type to build on. `amikiln bake` tries several in order; Packer takes one."
  validation {
    condition     = var.instance_type != "" && regex_replace(var.instance_type, "^[a-z0-9-]+\\.[a-z0-9-]+$", "") == ""
    error_message = "The instance type must be one of EC2's, as m7i.4xlarge."
  }
}

variable "subnet_id" {
  type        = string
  default     = ""
  description = "The instance's subnet; if empty, one of the default VPC."
  validation {
    condition     = regex_replace(var.subnet_id, "^subnet-[0-9a-f]{8,17}$", "") == ""
    error_message = "The subnet must be an id, as subnet-0123456789abcdef0, or empty."
  }
}

variable "security_group_id" {
  type        = string
  default     = ""
  description = "The instance's security group; if empty, Packer creates one for the build."
  validation {
    condition     = regex_replace(var.security_group_id, "^sg-[0-9a-f]{8,17}$", "") == ""
    error_message = "The security group must be an id, as sg-0123456789abcdef0, or empty."
  }
}

variable "ssh_from" {
  type        = list(string)
  default     = []
  description = "Networks that Packer's own security group allows ssh from; if empty, this machine's public address."
  validation {
    condition     = length([for cidr in var.ssh_from : cidr if regex_replace(cidr, "^[0-9.]+/[0-9]+$", "") != ""]) == 0
    error_message = "These must be IPv4 networks, as 203.0.113.7/32."
  }
}

variable "root_device" {
  type        = string
  default     = "/dev/xvda"
  description = "The source image's root device: /dev/xvda of Amazon Linux and Debian, /dev/sda1 of Ubuntu."
  validation {
    condition     = var.root_device != "" && regex_replace(var.root_device, "^/dev/[a-z0-9]+$", "") == ""
    error_message = "The root device must be one, as /dev/xvda."
  }
}

variable "volume_size" {
  type        = number
  default     = 512
  description = "Size of the root volume, in GiB."
  validation {
    condition     = var.volume_size >= 1 && var.volume_size <= 65536
    error_message = "The volume must have 1 to 65536 GiB."
  }
}

variable "volume_iops" {
  type        = number
  default     = 6000
  description = "IOPS of the gp3 root volume."
  validation {
    condition     = var.volume_iops >= 3000 && var.volume_iops <= 80000
    error_message = "A gp3 volume has 3000 to 80000 IOPS."
  }
}

variable "volume_throughput" {
  type        = number
  default     = 500
  description = "Throughput of the gp3 root volume, in MiB/s."
  validation {
    condition     = var.volume_throughput >= 125 && var.volume_throughput <= 2000
    error_message = "A gp3 volume has 125 to 2000 MiB/s."
  }
}

variable "deprecate_days" {
  type        = number
  default     = 7
  description = "Days until the image is deprecated."
  validation {
    condition     = var.deprecate_days >= 1 && var.deprecate_days <= 3650
    error_message = "The image must be deprecated after 1 to 3650 days."
  }
}

variable "machine_minutes" {
  type        = number
  default     = 1314
  description = "Minutes until the instance terminates itself, in case Packer cannot."
  validation {
    condition     = var.machine_minutes >= 5 && var.machine_minutes <= 10080
    error_message = "The instance must terminate itself after 5 to 10080 minutes."
  }
}

locals {
  checkout = abspath("${path.root}/../..")
  image    = abspath("${path.root}/../../images/cpu-build")
  shared   = abspath("${path.root}/../../src/amikiln/recipe")
  tags = {
    "amikiln:image" = "cpu-build"
    "Name"          = var.ami_name_prefix
  }
}

source "amazon-ebs" "image" {
  region        = var.region
  ami_name      = "${var.ami_name_prefix}-${formatdate("YYYYMMDD-hhmmss", timestamp())}-packer"
  instance_type = var.instance_type

  source_ami_filter {
    filters = {
      name         = var.source_ami_name
      architecture = "x86_64"
      state        = "available"
    }
    owners      = [var.source_ami_owner]
    most_recent = true
  }

  subnet_id                             = var.subnet_id
  security_group_id                     = var.security_group_id
  temporary_security_group_source_cidrs = var.ssh_from
  ssh_username                          = var.ssh_username
  ssh_timeout                           = "600s"
  temporary_key_pair_type               = "ed25519"

  temporary_security_group_source_public_ip = length(var.ssh_from) == 0

  # If Packer dies, a timer powers the instance off, which terminates it.
  user_data         = "#!/bin/sh\nsystemd-run --quiet --unit=amikiln-end --on-active=${var.machine_minutes}m systemctl poweroff\n"
  shutdown_behavior = "terminate"

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  imds_support = "v2.0"
  deprecate_at = timeadd(timestamp(), "${var.deprecate_days * 24}h")

  launch_block_device_mappings {
    device_name           = var.root_device
    volume_type           = "gp3"
    volume_size           = var.volume_size
    iops                  = var.volume_iops
    throughput            = var.volume_throughput
    delete_on_termination = true
  }

  tags            = local.tags
  snapshot_tags   = local.tags
  run_tags        = local.tags
  run_volume_tags = local.tags

  aws_polling {
    delay_seconds = 5
    max_attempts  = 2880
  }
}

build {
  sources = ["source.amazon-ebs.image"]

  # Resolves tags to digests and a branch to a commit, once, on the machine that runs Packer. The
  # image records them, so that `amikiln verify` can check it later.
  provisioner "shell-local" {
    environment_vars = [
      "CHECKOUT=${local.checkout}",
      "IMAGE=${local.image}",
      "HERE=${abspath(path.root)}",
      "SOURCE_AMI=${build.SourceAMI}",
      "ROOT_DEVICE=${var.root_device}",
    ]
    inline = [
      "\"$CHECKOUT\"/scripts/lib/setup.sh --pipeline",
      "\"$CHECKOUT\"/.venv/bin/amikiln export packer-inputs \"$IMAGE\" --to \"$HERE\" --source-ami \"$SOURCE_AMI\" --root-device \"$ROOT_DEVICE\"",
    ]
  }

  # Three uploads make one folder: the shared files, the builder's functions, this image's own files.
  provisioner "file" {
    source      = "${local.shared}/guest"
    destination = "/var/tmp"
  }
  provisioner "file" {
    source      = "${local.shared}/builders/docker-container.sh"
    destination = "/var/tmp/guest/builder.sh"
  }
  provisioner "file" {
    source      = "${path.root}/recipe/"
    destination = "/var/tmp/guest"
  }
  provisioner "file" {
    sources     = ["${path.root}/inputs/recipe.tar", "${path.root}/inputs/context.tar"]
    destination = "/var/tmp/"
    generated   = true
  }

  provisioner "shell" {
    execute_command = "sudo -n sh -eu {{ .Path }}"
    inline = [
      "rm -rf /run/amikiln /var/tmp/amikiln-context",
      "umask 022",
      "mkdir -p /run/amikiln /var/tmp/amikiln-context",
      "cp -R /var/tmp/guest/. /run/amikiln/",
      "tar -x -C /run/amikiln -f /var/tmp/recipe.tar",
      "tar -x -C /var/tmp/amikiln-context -f /var/tmp/context.tar",
      "rm -rf /var/tmp/guest /var/tmp/recipe.tar /var/tmp/context.tar",
      "cd /run/amikiln",
      "for step in steps/*.sh; do echo \"$step\"; sh -eu \"$step\"; done",
    ]
  }

  post-processor "manifest" {
    output     = "${path.root}/packer-manifest.json"
    strip_path = true
    custom_data = {
      image  = "cpu-build"
      region = var.region
    }
  }
}
