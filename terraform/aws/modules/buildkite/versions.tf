terraform {
  required_version = "~> 1.11"

  required_providers {
    buildkite = {
      source  = "buildkite/buildkite"
      version = "1.38.0"
    }
  }
}
