# Organization and token come from the environment (BUILDKITE_ORGANIZATION_SLUG and
# BUILDKITE_API_TOKEN), so that no token is in a file or in the state.
module "buildkite" {
  source = "./modules/buildkite"

  pipeline_name   = var.pipeline_name
  pipeline_file   = var.pipeline_file
  repository      = var.repository
  branch          = var.branch
  cluster_id      = var.cluster_id
  default_team_id = var.default_team_id
  queue           = var.packer.queue
  schedule        = var.schedule
  timeout_minutes = var.pipeline_timeout_minutes
}

output "pipeline" {
  description = "The slug of the Buildkite pipeline that bakes the image."
  value       = module.buildkite.slug
}
