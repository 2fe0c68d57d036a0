terraform {
  required_version = "~> 1.11"

  required_providers {
    # The same in every module. All arguments that are used exist in releases since 4.9.
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}
