# The pipeline's steps are in the repository: to change them, commit; no apply is needed.
resource "buildkite_pipeline" "rebuild" {
  name            = var.pipeline_name
  description     = "Bakes, verifies and publishes the image with amikiln"
  repository      = var.repository
  default_branch  = var.branch
  cluster_id      = var.cluster_id
  default_team_id = var.default_team_id

  # A step without a timeout of its own gets this one, and no step may have a longer one.
  default_timeout_in_minutes = var.timeout_minutes
  maximum_timeout_in_minutes = var.timeout_minutes

  steps = yamlencode({
    steps = [{
      label   = ":pipeline:"
      command = "buildkite-agent pipeline upload ${var.pipeline_file}"
      agents  = { queue = var.queue }
      # The uploaded steps read the queue's name from this variable.
      env = { AMIKILN_QUEUE = var.queue }
    }]
  })

  # Builds start by the schedule or by hand, never by a push.
  provider_settings = {
    trigger_mode        = strcontains(var.repository, "github") ? "none" : null
    build_branches      = false
    build_pull_requests = false
    build_tags          = false
  }
}

# Buildkite reads cron lines in UTC, as the spec does.
resource "buildkite_pipeline_schedule" "daily" {
  pipeline_id = buildkite_pipeline.rebuild.id
  label       = "Bake the image"
  cronline    = var.schedule
  branch      = var.branch
  message     = "Scheduled bake"
}
