"""Closing and opening of masks by a ball, by slabs: exact distances up to the radius, the same whatever the slabs are.

A voxel stays or comes by what lies within the radius, so a slab reads the mask as far as that beyond its planes and no
further. What lies beyond the scan is unknown: it neither wears a mask away nor adds to it. For a closing the mask goes on
beyond the scan as it is at its border, else the border would wear it away.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from periomics.microct import slabs
from periomics.microct.distance import NARROW, squared_distance
from periomics.microct.slabs import BitVolume, Mask, Reader, Shape, empty_bits

# Bytes a voxel of a slab at work, and of the planes that are seen around it (4.2 and 2.0 measured); twice for wide radii.
SLAB_BYTES, HALO_BYTES = 5.0, 2.5


def close(
    read: Reader, shape: Shape, radius: float, planes: int = 64, threads: int = 1
) -> BitVolume:
    """Closing of a mask by a ball.

    Parameters
    ----------
    read
        Planes low to high (exclusive) of the mask.
    shape
        (z, y, x) of the whole.
    radius
        Of the ball, voxels.
    planes
        Planes of a slab; the result does not depend on it.
    threads
        Threads of the distances; the result does not depend on it.
    """
    pad, n = _margin(radius), shape[0]
    wide = _wide(shape, pad)

    def outside(low: int, high: int) -> Mask:
        return ~_continued(read, n, low - pad, high - pad, pad)

    grown = filled(
        wide, planes, "grow", lambda a, b: ~core(outside, wide[0], a, b, radius, threads)
    )

    def shrunk(low: int, high: int) -> Mask:
        return core(grown.read, wide[0], low + pad, high + pad, radius, threads)[
            :, pad:-pad, pad:-pad
        ]

    return filled(shape, planes, "shrink", shrunk)


def open_(
    read: Reader, shape: Shape, radius: float, planes: int = 64, threads: int = 1
) -> BitVolume:
    """Opening of a mask by a ball; arguments as of `close`."""
    inner = filled(
        shape, planes, "shrink", lambda a, b: core(read, shape[0], a, b, radius, threads)
    )
    return filled(
        shape,
        planes,
        "grow",
        lambda a, b: near(inner.read, shape[0], a, b, radius, threads) & read(a, b),
    )


def core(read: Reader, n: int, low: int, high: int, radius: float, threads: int = 1) -> Mask:
    """Planes low to high (exclusive) of the voxels of a mask of n planes that lie farther than a radius from all outside it."""
    limit = _limit(radius)
    reach = max(1, math.ceil(math.sqrt(limit)))
    first, last = max(0, low - reach), min(n, high + reach)
    return (
        squared_distance(read(first, last), threads, reach, slice(low - first, high - first))
        > limit
    )


def near(read: Reader, n: int, low: int, high: int, radius: float, threads: int = 1) -> Mask:
    """Planes low to high (exclusive) of all voxels within a radius of a mask of n planes."""
    return ~core(lambda a, b: ~read(a, b), n, low, high, radius, threads)


def filled(shape: Shape, planes: int, step: str, make: Callable[[int, int], Mask]) -> BitVolume:
    """A mask that is made slab by slab: `make` gives planes low to high; `step` is its name in the log."""
    out = empty_bits(shape)
    for low, high in slabs.slabs(shape[0], planes, step):
        out.write(low, make(low, high))
    return out


def planes_for(memory_mb: float, shape: Shape, radius: float) -> int:
    """Planes of a slab of closings and openings up to a radius; raises ValueError as `slabs.planes_for`."""
    pad = _margin(radius)
    width = 1 if pad < NARROW else 2
    return slabs.planes_for(
        memory_mb, _wide(shape, pad), width * SLAB_BYTES, 2 * pad, width * HALO_BYTES
    )


def _limit(radius: float) -> int:
    """Largest squared distance (voxels²) within a radius, in single precision: 4.9999999 voxels are 5."""
    roots = np.sqrt(np.arange(_margin(radius) ** 2, dtype=np.float32))
    return int(np.flatnonzero(roots <= np.float32(radius))[-1])


def _margin(radius: float) -> int:
    return math.ceil(radius) + 1


def _wide(shape: Shape, pad: int) -> Shape:
    z, y, x = shape
    return z + 2 * pad, y + 2 * pad, x + 2 * pad


def _continued(read: Reader, n: int, low: int, high: int, pad: int) -> Mask:
    """Planes low to high (exclusive) of a mask of n planes that goes on beyond its borders, with `pad` voxels more across."""
    wanted = np.clip(np.arange(low, high), 0, n - 1)
    planes = read(int(wanted[0]), int(wanted[-1]) + 1)[wanted - wanted[0]]
    return np.pad(planes, ((0, 0), (pad, pad), (pad, pad)), mode="edge")
