"""Pixels from image files: what stands in them is checked before Pillow decodes it."""
