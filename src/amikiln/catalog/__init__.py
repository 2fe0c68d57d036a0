"""What the cloud's own records say: images by tag, the pointer, the lease."""
