"""Specks among objects: precipitate and pigment lie on a section whole, what is cut of a cell is
paler than the cell, not denser."""

from __future__ import annotations

import numpy as np

from periomics.core.quality import Fact

# A speck has less than this share of the usual area, and so many times the usual density; or, of
# any size, so many times the usual density of both stains together.
SMALL, DENSE, DENSEST = 0.5, 1.25, 1.8
# So many objects a share is told of.
LEAST_OBJECTS = 8
# A grain beside hollow objects: so much of it is stain, which is so many times as dense as their
# walls in both stains together (a capillary over a nucleus: up to 1.3 times).
FILLED, BLACK_BROWN = 0.7, 1.4


def fact(
    area_um2: np.ndarray, od: np.ndarray, total: np.ndarray, what: str, most_percent: float
) -> Fact:
    """Share (%) of counted objects that are far smaller and denser than is usual among them, or far
    darker.

    Parameters
    ----------
    area_um2, od, total
        Of the objects that are counted (n,); `od` is the mean of their stain, `total` that of both.
    what
        What the objects are called.
    most_percent
        Limit of the share.
    """
    share = 0.0
    if len(od) >= LEAST_OBJECTS:
        small, dense = area_um2 < SMALL * np.median(area_um2), od > DENSE * np.median(od)
        dark = total > DENSEST * np.median(total)
        share = 100 * float((small & dense | dark).mean())
    return Fact(f"dense specks among {what}", share, "%", most_percent)


def grains(
    area_um2: np.ndarray, wall_um2: np.ndarray, total: np.ndarray, hollow: np.ndarray
) -> np.ndarray:
    """Which objects (n,) are grains of precipitate or pigment: compact, and far denser than the
    walls of the hollow ones.

    Parameters
    ----------
    area_um2, wall_um2
        Of the objects, and of the stain in them.
    total
        Mean over the object of both stains together: brown that is nearly black has both.
    hollow
        Which enclose something; of too few nothing is told.
    """
    if hollow.sum() < LEAST_OBJECTS:
        return np.zeros(len(total), bool)
    density = total * area_um2 / np.maximum(wall_um2, 1e-9)
    dense = density > BLACK_BROWN * np.median(density[hollow])
    return dense & ~hollow & (wall_um2 >= FILLED * area_um2)
