"""Texts that a PNG of a result carries, and how its file is called."""

# How many µm a pixel is, so that pictures can be set beside each other at one scale.
UM_PER_PIXEL = "um_per_pixel"
# How the file ends that shows a section's lines laid straight.
STRIP = ".strip.png"
