"""Exact local thickness: at each voxel, the diameter of the largest sphere that fits into the phase and holds the voxel.

Definition of Hildebrand & Rüegsegger 1997 (J Microsc 185:67): tau(x) = 2 max{ r(p) : |x - p| <= r(p) } over the voxels p
of the phase, r(p) = distance from p to the nearest voxel centre outside the phase. Spheres are closed; nothing is
approximated: squared distances are whole numbers and the result equals a brute-force search.

How it is made fast: a centre is dropped when the sphere of one of its 26 neighbours holds every voxel of its own (three
tables give, for a shift along an axis, a face diagonal or a space diagonal, the smallest squared radius that does so);
the others are painted as row spans, each output plane by itself, so that threads never share a voxel.
"""

from __future__ import annotations

import edt
import numba
import numpy as np
from numpy.typing import NDArray

# Beyond this the exact whole-number range of the float32 distances of `edt` ends.
LARGEST_SQUARE = 1 << 24


def squared_distance(mask: NDArray[np.bool_], threads: int = 1) -> NDArray[np.int32]:
    """Squared distance (voxels²) to the nearest voxel outside the mask; 0 outside it.

    Parameters
    ----------
    mask
        (z, y, x); what lies beyond the array is unknown, not background.

    Raises
    ------
    ValueError
        If the mask has no background at all (no distance is defined) or is too large for exact whole numbers.
    """
    if mask.all():
        raise ValueError("the phase fills the whole volume: no distance to a border is defined")
    if sum((n - 1) ** 2 for n in mask.shape) >= LARGEST_SQUARE:
        raise ValueError(f"volume {mask.shape} is too large for exact squared distances; cut it into blocks")
    square = edt.edtsq(np.ascontiguousarray(mask), black_border=False, parallel=threads)
    return np.rint(square).astype(np.int32)


def local_thickness(
    mask: NDArray[np.bool_],
    threads: int = 1,
    square: NDArray[np.int32] | None = None,
    centres: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Exact closed-ball local thickness in voxels.

    Parameters
    ----------
    mask
        (z, y, x) phase; voxels are taken as cubes (isotropic spacing is the caller's duty).
    threads
        Threads of the painting; the result does not depend on it.
    square
        `squared_distance(mask)` if it is at hand.
    centres
        Spheres are placed at these voxels only; all of the phase if not given.

    Returns
    -------
    (z, y, x) float32, 0 outside the mask and where no sphere reaches.

    Raises
    ------
    ValueError
        If the mask has no background, or is not three-dimensional.

    Notes
    -----
    A plate of t voxels gives t for even t and t + 1 for odd t, since distances run to voxel centres.
    """
    if mask.ndim != 3:
        raise ValueError(f"mask has {mask.ndim} dimensions, 3 needed")
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    square = squared_distance(mask, threads) if square is None else square
    square = square if centres is None else np.where(centres, square, 0)
    largest = int(square.max())
    dtype = np.uint16 if largest < 1 << 16 else np.int32
    square = square.astype(dtype)
    before = numba.get_num_threads()
    numba.set_num_threads(max(1, min(threads, numba.config.NUMBA_NUM_THREADS)))
    try:
        kept = _uncovered(square, cover_tables(largest))
        counts = kept.sum(axis=2, dtype=np.int64).sum(axis=1)
        centres = np.argwhere(kept).astype(np.int32)
        starts = np.concatenate([[0], np.cumsum(counts)])
        radii = square[kept]
        roots = np.sqrt(np.arange(largest + 1)).astype(np.int32)
        painted = np.zeros(mask.shape, dtype)
        _paint(painted, centres, starts, radii, roots)
    finally:
        numba.set_num_threads(before)
    diameters = (2.0 * np.sqrt(np.arange(largest + 1))).astype(np.float32)
    return np.where(mask, diameters[painted], np.float32(0))


def cover_tables(largest: int) -> NDArray[np.int64]:
    """Smallest squared radius R² whose sphere, shifted by one step, holds the sphere of r² (whole-number points only).

    Parameters
    ----------
    largest
        Largest r².

    Returns
    -------
    (3, largest + 1) for shifts (1,0,0), (1,1,0) and (1,1,1): max over whole-number v with |v|² <= r² of |v + shift|².
    """
    tables = np.zeros((3, largest + 1), np.int64)
    _fill_cover(tables, int(np.sqrt(largest)))
    return np.maximum.accumulate(tables, axis=1)


@numba.njit(cache=True)
def _fill_cover(tables, root):
    top = tables.shape[1] - 1
    for x in range(root + 1):
        for y in range(x + 1):
            if x * x + y * y > top:
                break
            for z in range(y + 1):
                n = x * x + y * y + z * z
                if n > top:
                    break
                tables[0, n] = max(tables[0, n], n + 2 * x + 1)
                tables[1, n] = max(tables[1, n], n + 2 * (x + y) + 2)
                tables[2, n] = max(tables[2, n], n + 2 * (x + y + z) + 3)


@numba.njit(cache=True, parallel=True)
def _uncovered(square, tables):
    """True at centres whose sphere no neighbour's sphere holds; a holder is strictly larger, so chains end."""
    nz, ny, nx = square.shape
    kept = np.zeros((nz, ny, nx), np.bool_)
    for z in numba.prange(nz):
        for y in range(ny):
            for x in range(nx):
                own = square[z, y, x]
                if own == 0:
                    continue
                need0, need1, need2 = tables[0, own], tables[1, own], tables[2, own]
                covered = False
                for dz in range(-1, 2):
                    if covered or z + dz < 0 or z + dz >= nz:
                        continue
                    for dy in range(-1, 2):
                        if covered or y + dy < 0 or y + dy >= ny:
                            continue
                        for dx in range(-1, 2):
                            if x + dx < 0 or x + dx >= nx:
                                continue
                            steps = abs(dz) + abs(dy) + abs(dx)
                            other = square[z + dz, y + dy, x + dx]
                            if (
                                (steps == 1 and other >= need0)
                                or (steps == 2 and other >= need1)
                                or (steps == 3 and other >= need2)
                            ):
                                covered = True
                                break
                kept[z, y, x] = not covered
    return kept


@numba.njit(cache=True, parallel=True)
def _paint(out, centres, starts, radii, roots):
    """Raise every voxel of `out` to the largest squared radius among the spheres that hold it."""
    nz, ny, nx = out.shape
    reach = roots[-1]
    for z in numba.prange(nz):
        plane = out[z]
        for pz in range(max(0, z - reach), min(nz, z + reach + 1)):
            away = (z - pz) * (z - pz)
            for i in range(starts[pz], starts[pz + 1]):
                r2 = radii[i]
                if r2 < away:
                    continue
                py, px = centres[i, 1], centres[i, 2]
                half_y = roots[r2 - away]
                for y in range(max(0, py - half_y), min(ny, py + half_y + 1)):
                    half_x = roots[r2 - away - (y - py) * (y - py)]
                    row = plane[y]
                    for x in range(max(0, px - half_x), min(nx, px + half_x + 1)):
                        row[x] = max(row[x], r2)
