# The pointer belongs to amikiln. Terraform creates or imports it, and then leaves it alone: updating
# any attribute would be a PutParameter with the value from the time of the plan, which would undo a
# publication since then.
resource "aws_ssm_parameter" "pointer" {
  name        = var.pointer
  description = "The image ${var.name} in use; amikiln publishes here"
  type        = "String"
  data_type   = var.pointer_data_type
  # Required, but only written when Terraform creates the pointer; the root then asks for an image.
  value = coalesce(var.first_image_id, "none")

  lifecycle {
    # Without the pointer no instance of the fleet can start, and its history (100 versions) is the
    # record of the images that were in use.
    prevent_destroy = true

    # AWS cannot change a parameter's data type, so the provider would replace a pointer that was
    # created as plain text (since 5.43; before that, the update fails).
    ignore_changes = [
      value, data_type, type, tier, description, allowed_pattern, key_id, tags, tags_all,
    ]
  }
}

# A warning rather than an error: the rest can be set up before the pointer is corrected.
check "pointer_names_an_image" {
  assert {
    condition     = aws_ssm_parameter.pointer.data_type == var.pointer_data_type
    error_message = "The pointer ${var.pointer} has the data type ${aws_ssm_parameter.pointer.data_type}, but amikiln publishes as ${var.pointer_data_type}, which AWS will refuse. A parameter's data type cannot be changed: README.md says how to create it again."
  }
}
