"""Specks among objects: precipitate and pigment lie on a section whole, what is cut of a cell is
paler than the cell, not denser."""

from __future__ import annotations

import numpy as np

from periomics.core.quality import Fact
from periomics.histology.detection import Prepared, counted, label

# A speck has less than this share of the usual area, and so many times the usual density; or, of
# any size, so many times the usual density of both stains together.
SMALL, DENSE, DENSEST = 0.5, 1.25, 1.8
# So many objects a share is told of.
LEAST_OBJECTS = 8
# Faint objects: from such a share of the way from background to threshold on, at least so many OD,
# and with more than half as much of the stain as of the other one, which leaks; two are chance.
FAINT, FAINT_OD, LEAK, CHANCE = 0.45, 0.08, 0.5, 2
# A grain beside hollow objects: so much of it is stain, which is so many times as dense as their
# walls in both stains together (a capillary over a nucleus: up to 1.3 times), or in its own alone
# (capillaries: up to 1.15 times, few of a section up to 1.5, or what of the walls' own densities is
# usual).
FILLED, BLACK_BROWN, BROWN, USUAL = 0.7, 1.4, 1.22, 0.95


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
    area_um2: np.ndarray,
    wall_um2: np.ndarray,
    hollow: np.ndarray,
    *,
    od: np.ndarray,
    total: np.ndarray,
) -> np.ndarray:
    """Which objects (n,) are grains of precipitate or pigment: compact, and far denser than the
    walls of the hollow ones.

    Parameters
    ----------
    area_um2, wall_um2
        Of the objects, and of the stain in them.
    hollow
        Which enclose something; of too few nothing is told.
    od, total
        Mean over the object of its stain, and of both together: brown that is nearly black has
        both.
    """
    if hollow.sum() < LEAST_OBJECTS:
        return np.zeros(len(total), bool)
    filled = area_um2 / np.maximum(wall_um2, 1e-9)
    both, own = total * filled, od * filled
    usual = max(BROWN * np.median(own[hollow]), np.quantile(own[hollow], USUAL))
    compact = ~hollow & (wall_um2 >= FILLED * area_um2)
    brown = compact & (own > usual)
    if brown.sum() <= CHANCE:  # capillaries cut along their wall
        brown[:] = False
    return compact & (both > BLACK_BROWN * np.median(both[hollow])) | brown


def faint_of(prepared: Prepared) -> np.ndarray:
    """Where there is stain enough to see objects by that the threshold takes for none, off the
    implant."""
    target, ground = prepared.target, prepared.background
    level = ground + FAINT * (prepared.threshold - ground)
    if prepared.settings.shines:
        return (target >= level) & ~prepared.opened.implant
    seen = (target >= max(level, ground + FAINT_OD)) & (target > LEAK * prepared.other)
    return seen & ~prepared.opened.implant


def lost(
    bodies: np.ndarray,
    stained: np.ndarray,
    tissue: np.ndarray,
    prepared: Prepared,
    least_um2: float,
) -> int:
    """How many bodies of a mask of faint stain hold none of what is stained, and are as large as
    objects."""
    labels = label(bodies)
    n = int(labels.max())
    area = np.bincount(labels.ravel(), minlength=n + 1)[1:] * prepared.pixel_um**2
    held = np.bincount(labels[stained], minlength=n + 1)[1:]
    inside = counted(labels, tissue, prepared.opened.frame)
    return int((inside & (held == 0) & (area >= least_um2)).sum())


def faint(n_faint: int, n: int, what: str, most_percent: float) -> Fact:
    """Share (%) of all objects that are stained too faintly to be counted."""
    share = 100 * max(0, n_faint - CHANCE) / max(1, n + n_faint)
    return Fact(f"{what} too faint to be counted", share, "%", most_percent)
