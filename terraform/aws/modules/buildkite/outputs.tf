output "slug" {
  description = "The pipeline's slug."
  value       = buildkite_pipeline.rebuild.slug
}
