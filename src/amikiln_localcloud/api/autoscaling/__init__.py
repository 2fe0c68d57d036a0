"""Auto Scaling: groups that replace machines."""
