"""What the cloud's own records say: images by their tags, the pointer, the lease."""
