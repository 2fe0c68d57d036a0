"""What people look at: status."""
