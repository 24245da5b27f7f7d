"""Exact local thickness of a mask that is read by slabs: as counts of voxels by squared radius, which add up exactly.

A slab needs the spheres of all centres within the largest radius of its planes, and these need the mask within that
radius of them. The reach is found on the way: when a distance in the slab or its halo exceeds it, it is doubled.
(A centre beyond the halo whose sphere reached into the slab would lie on a path towards it along which distances fall by
at most one voxel a plane, so the halo's outermost plane would hold a distance above the reach.) Distances of planes that
two slabs share are kept, so each is found once.

With a VOI only spheres that reach it matter. The reach then has to exceed the distances of voxels no farther from the VOI than
itself: the way from a centre to the VOI voxel that its sphere reaches passes one of them. Slabs without the VOI are passed over.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from periomics.microct.distance import Squares, squared_distance
from periomics.microct.slabs import LOG, BitVolume, Mask, Reader, Shape, planes_for
from periomics.microct.thickness import largest_squares

# First guess of the largest radius, voxels; and bytes a voxel of the slab and of its halo at work (measured).
FIRST_REACH = 16
SLAB_BYTES, HALO_BYTES = 13.0, 10.0
# Voxels by which a way may miss the voxels that it is rounded to.
ROUNDING = 2


@dataclass(frozen=True)
class SizeCounts:
    """Voxels of the VOI by squared radius (voxels²) of their largest sphere, and how many of them are clipped.

    `clipped` counts voxels whose largest sphere meets the border of the scan or the metal zone; None if not asked for.
    """

    counts: NDArray[np.int64]
    clipped: int | None

    @property
    def n_voxels(self) -> int:
        """Voxels of the phase in the VOI."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean thickness, voxels; NaN without a voxel."""
        return float(self.counts @ self._diameters / self.n_voxels) if self.n_voxels else float("nan")

    @property
    def sd(self) -> float:
        """Standard deviation over voxels."""
        if not self.n_voxels:
            return float("nan")
        return float(np.sqrt(self.counts @ (self._diameters - self.mean) ** 2 / self.n_voxels))

    @property
    def maximum(self) -> float:
        """Largest thickness, voxels."""
        present = np.flatnonzero(self.counts)
        return float(self._diameters[present[-1]]) if present.size else float("nan")

    @property
    def _diameters(self) -> NDArray[np.float64]:
        return 2.0 * np.sqrt(np.arange(len(self.counts), dtype=np.float64))


@dataclass
class _Distances:
    """Squared distances of planes of a phase, exact up to `reach`, with those of the last call kept."""

    read: Reader
    shape: Shape
    threads: int
    voi: BitVolume | None = None
    reach: int = FIRST_REACH
    low: int = 0
    kept: Squares = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint16))

    def around(self, low: int, high: int) -> tuple[Squares, int, Mask | None] | None:
        """Distances of planes `low` to `high` with a halo of the reach, the halo's first plane, and the centres whose spheres
        reach the VOI (None without one); None if the reach had to grow."""
        first, last = max(0, low - self.reach), min(self.shape[0], high + self.reach)
        square = self._of(first, last)
        near = None if self.voi is None else self._to_voi(first, last)
        if near is None:
            small = int(square.max(initial=0)) <= self.reach**2
        else:
            small = int(square.max(initial=0, where=near <= self.reach**2)) <= max(0, self.reach - ROUNDING) ** 2
        if small:
            self.low, self.kept = first, square
            return square, first, None if near is None else (near <= self.reach**2) & (square >= near)
        if self.reach >= max(self.shape):
            raise ValueError("the phase fills the whole volume: no distance to a border is defined")
        self.kept = self.kept[:0]
        self.reach = min(2 * self.reach, max(self.shape))
        return None

    def _to_voi(self, first: int, last: int) -> Squares:
        """Squared distances to the VOI, exact up to the reach."""
        assert self.voi is not None
        below, above = max(0, first - self.reach), min(self.shape[0], last + self.reach)
        inner = slice(first - below, last - below)
        return squared_distance(~self.voi.read(below, above), self.threads, self.reach, inner)

    def _of(self, first: int, last: int) -> Squares:
        n = max(0, min(len(self.kept), self.low + len(self.kept) - first)) if first >= self.low else 0
        old = self.kept[first - self.low : first - self.low + n] if n else self.kept[:0]
        start = first + len(old)
        below, above = max(0, start - self.reach), min(self.shape[0], last + self.reach)
        new = squared_distance(self.read(below, above), self.threads, self.reach, slice(start - below, last - below))
        return np.concatenate([old, new]) if len(old) else new


def streamed_thickness(
    read: Reader,
    shape: Shape,
    voi: BitVolume | None = None,
    planes: int | None = None,
    memory_mb: float = 4000.0,
    threads: int = 1,
    clipped: bool = False,
    metal_zone: BitVolume | None = None,
    write: Callable[[int, Squares], None] | None = None,
    step: str = "local thickness",
) -> SizeCounts:
    """Exact closed-ball local thickness of a phase over its voxels in a VOI; that of `thickness.local_thickness`.

    Parameters
    ----------
    read
        Planes low to high (exclusive) of the phase, a mask (high - low, y, x).
    shape
        (z, y, x) of the whole.
    voi
        Voxels to count; all if not given.
    planes
        Planes of a slab; as many as the memory allows if not given. The result does not depend on it.
    memory_mb
        Memory for the work; the masks as bits are not counted.
    threads
        Threads; the result does not depend on it.
    clipped
        Also count voxels whose largest sphere meets the border of the scan or the metal zone (twice the painting).
    metal_zone
        Implant and exclusion band, if any.
    write
        Takes (first plane, squared radii of a slab) as they come, for a map; right in the VOI, planes without it do not come.
    step
        Name in the log.

    Raises
    ------
    ValueError
        If the phase fills the whole volume, or the memory is too little for its spheres.
    """
    distances = _Distances(read, shape, threads, voi)
    counts = np.zeros(1, np.int64)
    n_clipped = 0
    begun = time.monotonic()
    low = 0
    while low < shape[0]:
        high = min(shape[0], low + (planes or thickness_planes(memory_mb, shape, distances.reach)))
        inside = np.ones((high - low, *shape[1:]), bool) if voi is None else voi.read(low, high)
        if not inside.any():
            low = high
            continue
        found = distances.around(low, high)
        if found is None:
            continue
        square, first, centres = found
        sizes = largest_squares(square, low - first, high - first, threads, centres)
        counts = _added(counts, _histogram(sizes, inside, int(sizes.max(initial=0))))
        if clipped:
            free = _free(square, first, shape, metal_zone, distances.reach, threads)
            free = free if centres is None else free & centres
            limited = largest_squares(square, low - first, high - first, threads, free)
            n_clipped += int(np.count_nonzero((limited < sizes) & inside))
        if write is not None:
            write(low, sizes)
        LOG.info("%s: %d of %d planes, %.0f s", step, high, shape[0], time.monotonic() - begun)
        low = high
    counts[0] = 0
    return SizeCounts(counts, n_clipped if clipped else None)


def thickness_planes(memory_mb: float, shape: Shape, reach: int) -> int:
    """Planes of a slab that fit into the memory if no sphere is larger than the reach (voxels)."""
    return planes_for(memory_mb, shape, SLAB_BYTES, 2 * reach, HALO_BYTES)


def _free(square: Squares, first: int, shape: Shape, metal_zone: BitVolume | None, reach: int, threads: int) -> Mask:
    """Centres whose sphere meets neither the first layer beyond the scan nor the metal zone."""
    last = first + len(square)
    edges = [np.minimum(np.arange(n) + 1, n - np.arange(n)).astype(np.int64) ** 2 for n in shape]
    edges[0] = edges[0][first:last]
    free = np.empty(square.shape, bool)
    for z in range(len(square)):
        free[z] = square[z] < np.minimum(edges[0][z], np.minimum(edges[1][:, None], edges[2]))
    if metal_zone is not None:
        below, above = max(0, first - reach), min(shape[0], last + reach)
        zone = squared_distance(~metal_zone.read(below, above), threads, reach, slice(first - below, last - below))
        free &= (square < zone) | (zone > reach**2)
    return free


def _added(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    total = np.zeros(max(len(a), len(b)), np.int64)
    total[: len(a)] += a
    total[: len(b)] += b
    return total


@numba.njit(cache=True)
def _histogram(sizes, inside, top):
    counts = np.zeros(top + 1, np.int64)
    nz, ny, nx = sizes.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if inside[z, y, x]:
                    counts[sizes[z, y, x]] += 1
    return counts
