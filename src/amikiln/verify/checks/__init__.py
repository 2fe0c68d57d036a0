"""What an image has to prove, one function a check."""
