"""Scans whose voxels are not cubes, brought to cubes: spheres, shells and meshes need one edge in all directions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from periomics.microct.formats.header import three
from periomics.microct.formats.lazy import SlabReader
from periomics.microct.formats.readers import Spacing

NEARLY = 1e-3


def cubes_of(shape: tuple[int, ...], spacing_um: Spacing) -> tuple[tuple[int, int, int], float]:
    """Shape of the scan on the grid of cubes, and their edge; the same shape where its voxels are cubes."""
    edge = min(spacing_um)
    if max(spacing_um) <= (1 + NEARLY) * edge:
        return three(shape), edge
    return three(
        int((n - 1) * size / edge + 1e-6) + 1 for n, size in zip(shape, spacing_um, strict=True)
    ), edge


def to_cubes(scan: SlabReader) -> SlabReader:
    """The scan on a grid of cubes with its shortest edge, by linear interpolation between voxel centres.

    Grey values keep their type. The grid starts at the first voxel's centre and covers the scan's centres; a scan of cubes
    (edges within a thousandth) is returned as it is.
    """
    shape, edge = cubes_of(scan.shape, scan.spacing_um)
    if shape == scan.shape:
        return scan
    return replace(
        scan,
        shape=shape,
        spacing_um=(edge,) * 3,
        planes=lambda low, high: _planes(scan.slab, scan.shape, scan.spacing_um, low, high),
    )


def _planes(
    read: Callable[[int, int], NDArray],
    shape: tuple[int, ...],
    spacing_um: Spacing,
    low: int,
    high: int,
) -> NDArray:
    """Planes low to high (exclusive) of the grid of cubes; whole numbers are rounded along each axis."""
    new, edge = cubes_of(shape, spacing_um)
    grey: NDArray | None = None
    for axis, (size, n_old, n_new) in enumerate(zip(spacing_um, shape, new, strict=True)):
        place = np.arange(n_new)[slice(low, high) if axis == 0 else slice(None)] * edge / size
        first = np.minimum(place.astype(np.int64), max(0, n_old - 2))
        share = (place - first).astype(np.float32)
        if grey is None:
            start = int(first[0])
            grey, first, n_old = (
                read(start, min(n_old, int(first[-1]) + 2)),
                first - start,
                n_old - start,
            )
        grey = _mixed(grey, axis, first, share)
    assert grey is not None
    return grey


def _mixed(
    grey: NDArray, axis: int, first: NDArray[np.int64], share: NDArray[np.float32]
) -> NDArray:
    """Linear interpolation along an axis between voxels `first` and the next."""
    wide = [1, 1, 1]
    wide[axis] = len(first)
    low = np.take(grey, first, axis=axis).astype(np.float32)
    high = np.take(grey, np.minimum(first + 1, grey.shape[axis] - 1), axis=axis)
    mixed = low + share.reshape(wide) * (high - low)
    return (
        np.rint(mixed).astype(grey.dtype) if grey.dtype.kind in "iu" else mixed.astype(grey.dtype)
    )
