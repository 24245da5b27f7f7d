"""Texts that a PNG of a result carries."""

# How many µm a pixel is, so that pictures can be set beside each other at one scale.
UM_PER_PIXEL = "um_per_pixel"
