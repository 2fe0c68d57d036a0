terraform {
  required_version = "~> 1.11"

  required_providers {
    # The same in every module. Only arguments are used that releases since 4.9 know.
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}
