"""Scans whose voxels are not cubes, brought to cubes: spheres, shells and meshes need one edge in all directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from periomics.microct.readers import Spacing

NEARLY = 1e-3


def to_cubes(grey: NDArray, spacing_um: Spacing) -> tuple[NDArray, Spacing]:
    """The scan on a grid of cubes with its shortest edge, by linear interpolation between voxel centres.

    Parameters
    ----------
    grey
        (z, y, x).
    spacing_um
        Edges of a voxel, µm (z, y, x).

    Returns
    -------
    Grey values of the same type and the edges of the cube. The grid starts at the first voxel's centre and covers the
    scan's centres; a scan of cubes (edges within a thousandth) is returned as it is.
    """
    edge = min(spacing_um)
    if max(spacing_um) <= (1 + NEARLY) * edge:
        return grey, spacing_um
    for axis, size in enumerate(spacing_um):
        n = int((grey.shape[axis] - 1) * size / edge + 1e-6) + 1
        place = np.arange(n) * edge / size
        first = (
            np.minimum(place.astype(np.int64), grey.shape[axis] - 2) if grey.shape[axis] > 1 else np.zeros(n, np.int64)
        )
        share = (place - first).astype(np.float32)
        shape = [1, 1, 1]
        shape[axis] = n
        low = np.take(grey, first, axis=axis).astype(np.float32)
        high = np.take(grey, np.minimum(first + 1, grey.shape[axis] - 1), axis=axis)
        mixed = low + share.reshape(shape) * (high - low)
        grey = np.rint(mixed).astype(grey.dtype) if grey.dtype.kind in "iu" else mixed.astype(grey.dtype)
    return grey, (edge,) * 3
