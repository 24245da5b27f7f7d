"""Image code shared by histology and culture: readers, stain separation, unrolling along a line."""
