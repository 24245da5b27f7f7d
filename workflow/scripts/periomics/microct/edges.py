"""How steep the surface of bone is along each axis: a blurred or a doubled (moved) scan has wide
edges.

The steps of grey values between the two neighbours of a voxel along an axis are set against those
of the bone's mask smoothed by a voxel, at the same places: the slope of the one on the other. Noise
and what lies away from the surface take no part, and the mask has the shape of the bone, so neither
thin nor slanting bone reads wide by itself. An edge that is doubled by motion rises by half at
either place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import erf

Mask = NDArray[np.bool_]
SMOOTH = np.array([1, 4, 6, 4, 1], np.float32) / 16  # standard deviation of one voxel
HALO = 3  # voxels beyond which neither mask nor grey value counts
# Axes along which the surface faces less than this share are not told.
LEAST_SHARE = 0.1
# Standard deviations of blur among which is looked, and from them 10 % to 90 % of an edge.
SIGMAS, RISE = np.linspace(0.05, 8, 400), 2.563
MASK_VARIANCE = 1 + 1 / 12  # of the smoothed mask's edge about the true one


def edge_sums(grey: NDArray, smooth: NDArray[np.float32], voi: Mask) -> NDArray[np.float64]:
    """By axis: products of the steps of grey value and smoothed mask over the surface in the VOI,
    and squares of the latter, (3, 2).

    All of one shape; a voxel at the arrays' border has no step across it.
    """
    grey, smooth = np.ascontiguousarray(grey), np.ascontiguousarray(smooth)
    at = np.flatnonzero(voi & (smooth > 0) & (smooth < 1))
    found, stride = np.zeros((3, 2)), grey.size
    for axis, n in enumerate(grey.shape):
        stride //= n
        place = at // stride % n
        free = at[(place > 0) & (place < n - 1)]
        of_grey, of_mask = (
            v.ravel()[free + stride].astype(np.float64) - v.ravel()[free - stride]
            for v in (grey, smooth)
        )
        found[axis] = of_grey @ of_mask, of_mask @ of_mask
    return found


def smoothed(mask: Mask) -> NDArray[np.float32]:
    """A mask smoothed by a voxel; its border is continued."""
    found = mask.astype(np.float32)
    for axis in range(3):
        found = ndimage.correlate1d(found, SMOOTH, axis, mode="nearest")
    return found


def edge_width(sums: NDArray[np.float64], contrast: float) -> float | None:
    """Voxels in which the grey value rises from 10 to 90 % of the contrast, along the axis where it
    takes most; None without surface."""
    faces = sums[:, 1]
    told = faces > LEAST_SHARE * faces.sum()
    if not told.any():
        return None
    slope = float((sums[told, 0] / faces[told]).min()) / contrast
    return RISE * float(np.interp(-slope, -_slopes(), SIGMAS))


def _slopes() -> NDArray[np.float64]:
    """Slope of edges of each of SIGMAS, that face every way alike."""
    return _overlap(SIGMAS**2 + MASK_VARIANCE) / _overlap(np.array([2.0]))


def _overlap(variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum along a line of the product of two edges' steps over two voxels, in the mean of all ways
    that the edges face; `variance`: of their blurs together."""
    u = np.linspace(0.01, 1, 50)[:, None]  # cosine between line and normal
    sd = np.sqrt(variance)
    near = 2 * u * erf(2 * u / sd / np.sqrt(2))
    return (near - sd * np.sqrt(2 / np.pi) * (1 - np.exp(-2 * u**2 / variance))).mean(axis=0)
