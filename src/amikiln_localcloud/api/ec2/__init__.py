"""EC2: instances, images, volumes and launch templates."""
