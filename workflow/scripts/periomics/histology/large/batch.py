"""What a large section gives to its stain batch: pixels of small squares on one lattice of its
region, and the slide in coarse pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from periomics.histology.batch import OVERVIEW_UM, Sample
from periomics.histology.large.section import Large
from periomics.imaging import stains
from periomics.imaging.boxes import Box

# Squares along a side of a full region, and along a side of one that is sparse at most; pixels
# along a square's side, of which every sixth is taken: 36,864 pixels of a full region, of some
# 1,000 places.
PLACES, MOST_PLACES, SIDE, EVERY = 32, 128, 32, 6


def sample_large(large: Large, control: bool = False) -> Sample:
    """See `batch.sample_section`: pixels of the region, and the histogram of the whole slide in
    coarse pixels."""
    times = max(1, round(OVERVIEW_UM / large.pixel_um))
    slide = large.windows.overview(large.windows.whole, times).reshape(-1, 3)
    histogram = np.stack([np.bincount(slide[:, c], minlength=256) for c in range(3)])
    found, zero, count = [np.zeros((0, 3), np.uint8)], 0, 0
    for box in _squares(large):
        region = large.view(box, colours=False).region
        if not region.any():
            continue
        rgb = large.windows.read(box)
        of = rgb[region]
        zero, count = zero + int(stains.clipped(of).sum()), count + len(of)
        some = np.s_[::EVERY, ::EVERY]
        found.append(rgb[some][region[some]])
    return Sample(histogram, np.concatenate(found), zero / max(1, count), control)


def _squares(large: Large) -> Iterator[Box]:
    """Boxes on a lattice over the part, the denser the less of it the region fills."""
    part_um2 = large.part.area * large.pixel_um**2
    n = int(np.ceil(PLACES * np.sqrt(part_um2 / max(large.region_um2, 1.0))))
    n = min(n, MOST_PLACES)
    rows, columns = (
        first + (np.arange(n) + 0.5) * (last - first) / n - SIDE / 2
        for first, last in zip(large.part[:2], large.part[2:], strict=True)
    )
    for y in rows.astype(int).tolist():
        for x in columns.astype(int).tolist():
            box = Box(y, x, y + SIDE, x + SIDE).common(large.part)
            if box.area:
                yield box
