"""Exact squared Euclidean distance to the nearest voxel outside a mask, in whole numbers.

Separable: first the distance along z by two sweeps, then along y and along x the smallest of
`value(shifted by k) + k²` (the lower envelope of parabolas of Felzenszwalb and Huttenlocher, as
the `edt` package describes it, here by plain search). The search over k ends as soon as k²
reaches the largest value that is left in the row, so it costs as many steps as the widest part of
the phase has voxels in its radius; each step is one pass over rows that lie side by side in
memory, which the compiler turns into vector instructions. For bone and marrow that is a tenth of
the time of an algorithm that is linear in the radius-free sense but works voxel by voxel.
"""

from __future__ import annotations

from functools import partial

import numba
import numpy as np
from numpy.typing import NDArray

from periomics.microct.threads import in_parts

Squares = NDArray[np.unsignedinteger]
# Largest distance along z that the narrow and the wide form keep; squares below its square are exact.
NARROW, WIDE = np.iinfo(np.uint8).max, np.iinfo(np.uint16).max


def squared_distance(
    mask: NDArray[np.bool_], threads: int = 1, reach: int | None = None, planes: slice = slice(None)
) -> Squares:
    """Squared distance (voxels²) to the nearest voxel outside the mask; 0 outside it.

    Parameters
    ----------
    mask
        (z, y, x); what lies beyond the array is unknown, not background.
    threads
        Threads to use; the result does not depend on it.
    reach
        Distances up to this many voxels are wanted; larger ones come out as some value above reach². All, if not given.
    planes
        The planes that are wanted; the others only lend their background.

    Returns
    -------
    (planes, y, x) uint16 where all distances (or the reach) are below 255 voxels, else uint32.

    Raises
    ------
    ValueError
        If the mask has no background at all and no reach is given: no distance is defined.
    """
    if mask.ndim != 3:
        raise ValueError(f"mask has {mask.ndim} dimensions, 3 needed")
    if max(mask.shape, default=0) >= WIDE:
        raise ValueError(
            f"volume {mask.shape} has an edge of {WIDE} voxels or more; cut it into blocks"
        )
    if not mask.size:
        return np.zeros(mask[planes].shape, np.uint16)
    mask = np.ascontiguousarray(mask)
    if reach is not None:
        if reach < NARROW:
            return _transform(mask, np.uint8, np.uint16, planes, reach, threads)
        return _transform(mask, np.uint16, np.uint32, planes, reach, threads)
    square = _transform(mask, np.uint8, np.uint16, planes, None, threads)
    if int(square.max(initial=0)) < NARROW**2:
        return square
    if mask.all():
        raise ValueError("the phase fills the whole volume: no distance to a border is defined")
    del square
    return _transform(mask, np.uint16, np.uint32, planes, None, threads)


def _transform(
    mask: NDArray[np.bool_],
    small: type[np.unsignedinteger],
    large: type[np.unsignedinteger],
    planes: slice,
    reach: int | None,
    threads: int,
) -> Squares:
    """The three passes; distances along z are kept as `small`, squares as `large`."""
    columns = np.empty(mask.shape, small)
    in_parts(partial(_along_z, mask, columns), mask.shape[1], threads)
    columns = columns[planes]
    out = np.empty(columns.shape, large)
    most = min(
        int(np.iinfo(small).max), max(mask.shape), max(mask.shape) if reach is None else reach
    )
    in_parts(
        partial(_along_y_and_x, columns, out, np.arange(most + 1).astype(large) ** 2),
        len(out),
        threads,
    )
    return out


# Loops over rows stand in for assignments of slices, whose checks of shape take seconds to compile.


@numba.njit(cache=True, nogil=True)
def _along_z(mask, columns, low, high):
    """Distance along z to background, capped at the type's largest value, for rows low to high of every plane."""
    nz, _, nx = mask.shape
    zero = columns.dtype.type(0)
    most = columns.dtype.type(~zero)
    for y in range(low, high):
        for x in range(nx):
            columns[0, y, x] = most if mask[0, y, x] else zero
    for z in range(1, nz):
        for y in range(low, high):
            _row_above(columns[z - 1, y], mask[z, y], columns[z, y])
    for z in range(nz - 2, -1, -1):
        for y in range(low, high):
            _row_below(columns[z + 1, y], columns[z, y])


@numba.njit(cache=True, nogil=True)
def _row_above(above, mask, row):
    zero = row.dtype.type(0)
    most = row.dtype.type(~zero)
    for x in range(row.shape[0]):
        value = above[x]
        value = row.dtype.type(value + row.dtype.type(value < most))
        row[x] = value if mask[x] else zero


@numba.njit(cache=True, nogil=True)
def _row_below(below, row):
    most = row.dtype.type(~row.dtype.type(0))
    for x in range(row.shape[0]):
        value = below[x]
        value = row.dtype.type(value + row.dtype.type(value < most))
        row[x] = min(value, row[x])


@numba.njit(cache=True, nogil=True)
def _along_y_and_x(columns, out, steps, first, last):
    """Both passes within planes first to last; the row in work lies in a line padded with the largest value."""
    _, ny, nx = columns.shape
    pad = steps.shape[0]
    plane = np.empty((ny, nx), out.dtype)
    line = np.empty(nx + 2 * pad, out.dtype)
    for i in range(line.shape[0]):
        line[i] = ~out.dtype.type(0)
    row = line[pad : pad + nx]
    for z in range(first, last):
        for y in range(ny):
            for x in range(nx):
                value = out.dtype.type(columns[z, y, x])
                plane[y, x] = value * value
        for y in range(ny):
            left = _copied(plane[y], row)
            k = 1
            while k < pad and steps[k] < left and (y >= k or y + k < ny):
                low = plane[y - k] if y >= k else plane[y + k]
                high = plane[y + k] if y + k < ny else low
                left = _relax(row, low, high, steps[k])
                k += 1
            best = out[z, y]
            left = _copied(row, best)
            k = 1
            while k < pad and steps[k] < left:
                left = _relax(
                    best, line[pad - k : pad - k + nx], line[pad + k : pad + k + nx], steps[k]
                )
                k += 1


@numba.njit(cache=True, nogil=True)
def _copied(row, out):
    """Copy a row and give its largest value."""
    top = row.dtype.type(0)
    for x in range(row.shape[0]):
        out[x] = row[x]
        top = max(top, row[x])
    return top


@numba.njit(cache=True, nogil=True)
def _relax(best, low, high, step):
    """best = min(best, min(low, high) + step), capped at the type's largest value; the largest of what results."""
    room = best.dtype.type(~best.dtype.type(0) - step)
    top = best.dtype.type(0)
    for x in range(best.shape[0]):
        value = min(low[x], high[x])
        value = best.dtype.type(min(value, room) + step)
        value = min(value, best[x])
        best[x] = value
        top = max(top, value)
    return top
