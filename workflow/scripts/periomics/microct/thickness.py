"""Exact local thickness: at each voxel, the diameter of the largest sphere that fits into the phase and holds the voxel.

Definition of Hildebrand & Rüegsegger 1997 (J Microsc 185:67): tau(x) = 2 max{ r(p) : |x - p| <= r(p) } over the voxels p
of the phase, r(p) = distance from p to the nearest voxel centre outside the phase. Spheres are closed; nothing is
approximated: squared distances are whole numbers and the result equals a brute-force search.

How it is made fast stands in `distance.py` (distances) and `painting.py` (spheres).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from periomics.microct import painting
from periomics.microct.distance import Squares, squared_distance
from periomics.microct.threads import in_parts

__all__ = [
    "cover_tables",
    "largest_squares",
    "local_thickness",
    "squared_distance",
]
# A plane is painted in strips of rows that fit into a core's second-level cache with what they are painted from.
STRIP_BYTES = 1 << 19


def local_thickness(
    mask: NDArray[np.bool_],
    threads: int = 1,
    square: Squares | None = None,
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
    square = square if centres is None else np.where(centres, square, square.dtype.type(0))
    spheres = _spheres(square, threads)
    return _paint(
        spheres, np.ascontiguousarray(mask), 0, len(mask), _diameters(spheres.sizes), threads
    )


def largest_squares(
    square: Squares,
    low: int = 0,
    high: int | None = None,
    threads: int = 1,
    centres: NDArray[np.bool_] | None = None,
    beside: bool = False,
) -> Squares:
    """Squared radius (voxels²) of the largest sphere that holds each voxel, for some planes of a block.

    Parameters
    ----------
    square
        (z, y, x) `squared_distance` of a block; planes beyond [low, high) only give centres.
    low, high
        Planes to paint. The result is that of the whole volume if the block holds all planes within the largest radius.
    threads
        Threads of the painting; the result does not depend on it.
    centres
        (z, y, x) spheres are placed at these voxels only; all if not given.
    beside
        Also at the background voxels that closed spheres hold: those that their radius ends at.

    Returns
    -------
    (high - low, y, x) of the type of `square`; the diameter is twice the root.
    """
    high = len(square) if high is None else high
    placed = square if centres is None else np.where(centres, square, square.dtype.type(0))
    if not placed.any():
        return np.zeros((high - low, *square.shape[1:]), square.dtype)
    spheres = _spheres(placed, threads)
    phase = np.ones((1, *square.shape[1:]), np.bool_) if beside else square
    return _paint(spheres, phase, low, high, spheres.sizes.astype(square.dtype), threads)


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
    painting.fill_cover(tables, int(np.sqrt(largest)))
    return np.maximum.accumulate(tables, axis=1)


@dataclass(frozen=True)
class _Spheres:
    """Needed centres (n, 2: y, x) by plane, strip of rows and size; `starts[z, strip, rank]` is the first of a group."""

    centres: NDArray[np.uint16]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    strip: int


def _spheres(square: Squares, threads: int) -> _Spheres:
    """The spheres without which the result would differ (and some more: the test looks one step away only)."""
    seen = np.zeros(int(square.max()) + 1, np.bool_)
    in_parts(partial(painting.mark_sizes, square, seen), len(square), threads)
    sizes = np.flatnonzero(seen)
    sizes = sizes[sizes > 0].astype(np.int64)
    ranks = np.zeros(len(seen), np.int64)
    ranks[sizes] = np.arange(len(sizes))
    nz, ny, nx = square.shape
    line = (nx + 2 * painting.LANES) * _level_type(len(sizes))().itemsize
    strip = max(1, min(ny, STRIP_BYTES // line))
    choose = partial(painting.needed_centres, square, cover_tables(len(seen) - 1), ranks, strip)
    places = np.zeros((nz, -(-ny // strip), len(sizes) + 1), np.int64)
    in_parts(partial(choose, places, np.empty((0, 2), np.uint16), False), nz, threads)
    ends = np.cumsum(places.ravel())
    starts = (ends - places.ravel()).reshape(places.shape)
    centres = np.empty((int(ends[-1]), 2), np.uint16)
    np.copyto(places, starts)
    in_parts(partial(choose, places, centres, True), nz, threads)
    return _Spheres(centres, starts, sizes, strip)


def _diameters(sizes: NDArray[np.int64]) -> NDArray[np.float32]:
    return (2.0 * np.sqrt(sizes.astype(np.float64))).astype(np.float32)


def _level_type(n_sizes: int) -> type:
    """Smallest type for a level a size, none, and the mark of what is not phase."""
    return np.uint8 if n_sizes < 255 else np.uint16 if n_sizes < 65535 else np.uint32


def _paint(
    spheres: _Spheres, phase: NDArray, low: int, high: int, of_rank: NDArray, threads: int
) -> NDArray:
    """The value of the largest sphere at each voxel of planes low to high; 0 outside the phase and where none reaches.

    A phase of one plane holds for all planes.
    """
    n = len(spheres.sizes)
    kind = _level_type(n)
    values = np.zeros(n + 2, of_rank.dtype)
    values[1:-1] = of_rank
    roots = np.sqrt(np.arange(int(spheres.sizes[-1]) + 1)).astype(np.uint16)
    out = np.empty((high - low, *phase.shape[1:]), values.dtype)
    given = {
        "phase": phase,
        "low": low,
        "strip": spheres.strip,
        "starts": spheres.starts,
        "centres": spheres.centres,
        "sizes": spheres.sizes,
        "roots": roots,
        "masks": painting.span_masks(kind),
        "levels": np.arange(1, n + 1).astype(kind),
        "values": values,
        "out": out,
    }
    in_parts(lambda a, b: painting.paint(**given, first=a, last=b), high - low, threads)
    return out
