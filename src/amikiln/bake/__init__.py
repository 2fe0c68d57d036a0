"""Bake: a machine runs the recipe, and its disk becomes the image."""
