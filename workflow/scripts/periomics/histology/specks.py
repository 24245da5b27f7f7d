"""Specks among objects: precipitate and pigment lie on a section whole, what is cut of a cell is
paler than the cell, not denser."""

from __future__ import annotations

import numpy as np

from periomics.core.quality import Fact

# A speck has less than this share of the usual area, and so many times the usual density.
SMALL, DENSE = 0.5, 1.25
# So many objects a share is told of.
LEAST_OBJECTS = 8


def fact(area_um2: np.ndarray, od: np.ndarray, what: str, most_percent: float) -> Fact:
    """Share (%) of counted objects that are far smaller and far denser than is usual among them.

    Parameters
    ----------
    area_um2, od
        Of the objects that are counted (n,); `od` is the mean of their stain.
    what
        What the objects are called.
    most_percent
        Limit of the share.
    """
    share = 0.0
    if len(od) >= LEAST_OBJECTS:
        small, dense = area_um2 < SMALL * np.median(area_um2), od > DENSE * np.median(od)
        share = 100 * float((small & dense).mean())
    return Fact(f"small dense specks among {what}", share, "%", most_percent)
