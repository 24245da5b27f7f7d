"""Exact local thickness: at each voxel, the diameter of the largest sphere that fits into the phase and holds the voxel.

Definition of Hildebrand & Rüegsegger 1997 (J Microsc 185:67): tau(x) = 2 max{ r(p) : |x - p| <= r(p) } over the voxels p
of the phase, r(p) = distance from p to the nearest voxel centre outside the phase. Spheres are closed; nothing is
approximated: squared distances are whole numbers and the result equals a brute-force search.

How it is made fast: a centre is dropped when the sphere of one of its 26 neighbours holds every voxel of its own (three
tables give, for a shift along an axis, a face diagonal or a space diagonal, the smallest squared radius that does so);
the others are painted from the largest to the smallest, each voxel once. Each output plane is painted by itself, so
that threads never share a voxel.
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
        centres, sizes, starts = _by_size(kept, square)
        roots = np.sqrt(np.arange(largest + 1)).astype(np.int64)
        painted = np.zeros(mask.shape, dtype)
        _paint(painted, mask, centres, sizes, starts, roots)
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


def _by_size(kept: NDArray[np.bool_], square: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Centres (n, 3) from the largest sphere to the smallest, by z within a size; the sizes; where each size starts."""
    counts = np.bincount(square[kept])
    sizes = np.flatnonzero(counts)[::-1].astype(np.int64)
    starts = np.concatenate([[0], np.cumsum(counts[sizes])])
    place = np.zeros(len(counts), np.int64)
    place[sizes] = starts[:-1]
    centres = np.empty((starts[-1], 3), np.int32)
    _sort_centres(kept, square, place, centres)
    return centres, sizes, starts


@numba.njit(cache=True)
def _sort_centres(kept, square, place, centres):
    """Counting sort: `place` holds the next free row of each size."""
    nz, ny, nx = kept.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if kept[z, y, x]:
                    i = place[square[z, y, x]]
                    place[square[z, y, x]] += 1
                    centres[i, 0], centres[i, 1], centres[i, 2] = z, y, x


@numba.njit(cache=True, parallel=True)
def _paint(out, phase, centres, sizes, starts, roots):
    """Give every voxel of the phase the squared radius of the first, so largest, sphere that holds it.

    Each plane keeps, for tiles of 8 x 8 voxels, one bit a voxel that still waits; finished tiles cost one look.
    """
    nz, ny, nx = out.shape
    for z in numba.prange(nz):
        waiting = np.zeros(((ny + 7) // 8, (nx + 7) // 8), np.uint64)
        left = np.zeros(waiting.shape[0], np.int64)
        _set_waiting(phase[z], waiting, left)
        for c in range(len(sizes)):
            r2 = sizes[c]
            reach = roots[r2]
            first = _first_at(centres, starts[c], starts[c + 1], z - reach)
            for i in range(first, starts[c + 1]):
                pz = centres[i, 0]
                if pz > z + reach:
                    break
                flat = r2 - (z - pz) * (z - pz)
                _paint_disc(out[z], waiting, left, centres[i, 1], centres[i, 2], flat, r2, roots)


@numba.njit(cache=True)
def _set_waiting(plane, waiting, left):
    ny, nx = plane.shape
    for y in range(ny):
        for x in range(nx):
            if plane[y, x]:
                if waiting[y >> 3, x >> 3] == 0:
                    left[y >> 3] += 1
                waiting[y >> 3, x >> 3] |= np.uint64(1) << np.uint64(8 * (y & 7) + (x & 7))


@numba.njit(cache=True)
def _first_at(centres, low, high, z):
    """First centre of a size whose plane is at or after z."""
    while low < high:
        middle = (low + high) // 2
        if centres[middle, 0] < z:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True)
def _paint_disc(plane, waiting, left, py, px, flat, r2, roots):
    ny, nx = plane.shape
    half_y = roots[flat]
    for by in range(max(0, py - half_y) >> 3, (min(ny - 1, py + half_y) >> 3) + 1):
        if left[by] == 0:
            continue
        near = max(0, 8 * by - py, py - 8 * by - 7)  # rows between the centre and this row of tiles
        half_x = roots[flat - near * near]
        for bx in range(max(0, px - half_x) >> 3, (min(nx - 1, px + half_x) >> 3) + 1):
            if waiting[by, bx] != 0:
                _paint_tile(plane, waiting, left, by, bx, py, px, flat, r2, roots)


@numba.njit(cache=True)
def _paint_tile(plane, waiting, left, by, bx, py, px, flat, r2, roots):
    todo = waiting[by, bx]
    for row in range(8):
        bits = (todo >> np.uint64(8 * row)) & np.uint64(255)
        away = 8 * by + row - py
        if bits == 0 or away * away > flat:
            continue
        half = roots[flat - away * away]
        for column in range(max(0, px - half - 8 * bx), min(7, px + half - 8 * bx) + 1):
            if (bits >> np.uint64(column)) & np.uint64(1):
                plane[8 * by + row, 8 * bx + column] = r2
                todo &= ~(np.uint64(1) << np.uint64(8 * row + column))
    if todo == 0:
        left[by] -= 1
    waiting[by, bx] = todo
