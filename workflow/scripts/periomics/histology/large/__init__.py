"""Sections too large for memory, measured by tiles: the same numbers whatever the tiles' size."""
