# The pointer belongs to amikiln. Terraform makes it or adopts it, and then leaves it alone: an
# update of whatever attribute would be a PutParameter with the value that Terraform saw when it
# planned, and would take back an image that was published meanwhile.
resource "aws_ssm_parameter" "pointer" {
  name        = var.pointer
  description = "The image ${var.name} in use; amikiln publishes here"
  type        = "String"
  data_type   = var.pointer_data_type
  # Required, and written only when the pointer is made: the root asks for an image then.
  value = coalesce(var.first_image_id, "none")

  lifecycle {
    # Without the pointer no machine of the fleet can start, and its 100 versions of history say
    # which images were ever in use.
    prevent_destroy = true

    # AWS changes no parameter's data type, so the provider would replace a pointer that was put
    # as plain text (since 5.43; before, the update fails).
    ignore_changes = [
      value, data_type, type, tier, description, allowed_pattern, key_id, tags, tags_all,
    ]
  }
}

# A warning, not a fault: everything else can be set up while the pointer is put right.
check "pointer_names_an_image" {
  assert {
    condition     = aws_ssm_parameter.pointer.data_type == var.pointer_data_type
    error_message = "The pointer ${var.pointer} was put as ${aws_ssm_parameter.pointer.data_type}, and amikiln publishes as ${var.pointer_data_type}, which AWS refuses. A parameter's data type never changes: README.md says how to put it anew."
  }
}
