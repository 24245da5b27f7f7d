"""Exact local thickness of a mask that is read by slabs: as counts of voxels by squared radius, which add up exactly.

A slab needs the spheres of all centres within the largest radius of its planes, and these need the mask within that
radius of them. The reach is found on the way: when a distance in the slab or its halo exceeds it, it is doubled.
(A centre beyond the halo whose sphere reached into the slab would lie on a path towards it along which distances fall by
at most one voxel a plane, so the halo's outermost plane would hold a distance above the reach.) Distances of planes that
two slabs share are kept, so each is found once.

With a VOI only spheres that reach it matter. The reach then has to exceed the distances of voxels no farther from the VOI than
itself: the way from a centre to the VOI voxel that its sphere reaches passes one of them. So only planes of the VOI are gone
through, and of them no more is looked at than its rows and columns with two reaches around them: one for the centres, one for what
bounds their spheres. A scan that fits into the memory is the case of one slab.

The map as ImageJ's plugin leaves it (`cleanup`) comes with it: spheres are then painted two planes further and over the
background, and those count that end short of the VOI by no more than the clean-up looks around.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from periomics.microct.boxes import Box, box_around, crop, size_of, within
from periomics.microct.cleanup import AROUND, CORNER, both_maps
from periomics.microct.distance import NARROW, Squares, squared_distance
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
        return (
            float(self.counts @ self._diameters / self.n_voxels) if self.n_voxels else float("nan")
        )

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
class Moments:
    """Mean and standard deviation of values that come by planes, in any order; the same however many come at a time."""

    planes: dict[int, tuple[int, float, float]] = field(default_factory=dict)

    def take(self, low: int, values: NDArray[np.float32], inside: Mask) -> None:
        """Those of planes from `low` on that are inside."""
        for z, (plane, mask) in enumerate(zip(values, inside, strict=True), low):
            some = plane[mask].astype(np.float64)
            if some.size:
                mean = float(some.mean())
                self.planes[z] = some.size, mean, float(((some - mean) ** 2).sum())

    def mean_and_sd(self) -> tuple[float, float]:
        """NaN without a value."""
        if not self.planes:
            return float("nan"), float("nan")
        sizes, means, squares = np.array([self.planes[z] for z in sorted(self.planes)]).T
        mean = float(sizes @ means / sizes.sum())
        return mean, float(np.sqrt((squares.sum() + sizes @ (means - mean) ** 2) / sizes.sum()))


class NoBorder(ValueError):
    """The phase fills the whole volume."""


class FartherThanAllowed(Exception):
    """A sphere that reaches the VOI may be larger than what the caller has read around it."""


@dataclass
class _Distances:
    """Squared distances of planes of a phase, exact up to `reach`, with those of the last call kept.

    `around_voi` (voxels): spheres that come so near to the VOI count as well. `most` (voxels): the reach may not grow beyond.
    """

    read: Reader
    shape: Shape
    threads: int
    voi: BitVolume | None = None
    around_voi: float = 0.0
    most: int | None = None
    reach: int = FIRST_REACH
    low: int = 0
    kept: Squares = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint16))

    def __post_init__(self) -> None:
        self.own = box_around(self.voi, 0, self.shape)

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns that are looked at."""
        _, rows, columns = box_around(self.voi, 2 * self.reach, self.shape)
        return rows, columns

    def around(self, low: int, high: int) -> tuple[Squares, int, Mask | None] | None:
        """Distances of planes `low` to `high` with a halo of the reach, the halo's first plane, and the centres whose spheres
        reach the VOI (None without one); None if the reach had to grow."""
        first, last = max(0, low - self.reach), min(self.shape[0], high + self.reach)
        square = self._of(first, last)
        near = None if self.voi is None else self._to_voi(first, last)
        spare = math.ceil(self.around_voi) + (0 if near is None else ROUNDING)
        seen = True if near is None else near <= self.reach**2
        if int(square.max(initial=0, where=seen)) <= max(0, self.reach - spare) ** 2:
            self.low, self.kept = first, square
            return square, first, None if near is None else self._reaching(square, near)
        longest = diagonal(self.shape) + spare
        if self.reach >= longest:
            raise NoBorder("the phase fills the whole volume: no distance to a border is defined")
        if self.most is not None and 2 * self.reach > self.most:
            raise FartherThanAllowed
        self.kept = self.kept[:0]
        self.reach = min(2 * self.reach, longest)
        return None

    def _reaching(self, square: Squares, near: Squares) -> Mask:
        """Centres whose spheres come near enough to the VOI; plane by plane, to keep roots of one only."""
        out = near <= self.reach**2
        if not self.around_voi:
            return out & (square >= near)
        for z in range(len(out)):
            gap = np.sqrt(near[z], dtype=np.float32) - np.float32(self.around_voi)
            out[z] &= gap <= np.sqrt(square[z], dtype=np.float32)
        return out

    def _to_voi(self, first: int, last: int) -> Squares:
        """Squared distances to the VOI, exact up to the reach."""
        assert self.voi is not None
        below, above = max(0, first - self.reach), min(self.shape[0], last + self.reach)
        inner = slice(first - below, last - below)
        free = ~crop(self.voi.read, (slice(below, above), *self.window))
        return squared_distance(free, self.threads, self.reach, inner)

    def _of(self, first: int, last: int) -> Squares:
        n = (
            max(0, min(len(self.kept), self.low + len(self.kept) - first))
            if first >= self.low
            else 0
        )
        old = self.kept[first - self.low : first - self.low + n] if n else self.kept[:0]
        start = first + len(old)
        below, above = max(0, start - self.reach), min(self.shape[0], last + self.reach)
        phase = crop(self.read, (slice(below, above), *self.window))
        inner = slice(start - below, last - below)
        new = squared_distance(phase, self.threads, self.reach, inner)
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
    write_bonej: Callable[[int, NDArray[np.float32]], None] | None = None,
    most: int | None = None,
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
        Takes (first plane, squared radii of a slab in the VOI's rows and columns) as they come, for a map; right in the VOI.
    step
        Name in the log.
    write_bonej
        As `write`, for the map as ImageJ's plugin leaves it (diameters, voxels); it is made only if this is given.
    most
        Largest reach (voxels); none if not given.

    Raises
    ------
    NoBorder
        If the phase fills the whole volume.
    ValueError
        If the memory is too little for its spheres.
    FartherThanAllowed
        If more than `most` voxels around the VOI must be looked at.
    """
    more, corner = (0, 0.0) if write_bonej is None else (AROUND, CORNER)
    distances = _Distances(read, shape, threads, voi, corner, most)
    counts = np.zeros(1, np.int64)
    n_clipped = 0
    begun = time.monotonic()
    low, end = distances.own[0].start, distances.own[0].stop
    while low < end:
        window = size_of((slice(0, shape[0]), *distances.window))
        high = min(
            end, low + (planes or thickness_planes(memory_mb, window, distances.reach, more))
        )
        found = _slab_counts(
            distances,
            low,
            high,
            clipped=clipped,
            metal_zone=metal_zone,
            write=write,
            write_bonej=write_bonej,
        )
        if found is None:
            continue
        counts, n_clipped = _added(counts, found[0]), n_clipped + found[1]
        LOG.info("%s: %d of %d planes, %.0f s", step, high, shape[0], time.monotonic() - begun)
        low = high
    counts[0] = 0
    return SizeCounts(counts, n_clipped if clipped else None)


def _slab_counts(
    distances: _Distances,
    low: int,
    high: int,
    clipped: bool,
    metal_zone: BitVolume | None,
    write: Callable[[int, Squares], None] | None,
    write_bonej: Callable[[int, NDArray[np.float32]], None] | None,
) -> tuple[NDArray[np.int64], int] | None:
    """Of planes `low` to `high`, as `streamed_thickness`; None if the reach had to grow.

    A function of its own, so that nothing of a slab is kept while the next one is begun.
    """
    shape, threads, voi = distances.shape, distances.threads, distances.voi
    more = 0 if write_bonej is None else AROUND
    found = distances.around(max(0, low - more), min(shape[0], high + more))
    if found is None:
        return None
    square, first, centres = found
    own, window = slice(low - first, high - first), (slice(low, high), *distances.window)
    inside = np.ones(size_of(window), bool) if voi is None else crop(voi.read, window)
    in_voi = within((slice(low, high), *distances.own[1:]), window)
    if write_bonej is None:
        sizes = largest_squares(square, own.start, own.stop, threads, centres)
    else:
        sizes, plugin = both_maps(square, own, threads, centres)
        write_bonej(low, plugin[in_voi])
        del plugin
    counts, n_clipped = _histogram(sizes, inside, int(sizes.max(initial=0))), 0
    if write is not None:
        write(low, sizes[in_voi])
    if clipped:
        seen = (slice(first, first + len(square)), *distances.window)
        free = _free(square, seen, shape, metal_zone, distances.reach, threads)
        if centres is not None:
            free &= centres
        limited = largest_squares(square, own.start, own.stop, threads, free)
        n_clipped = int(np.count_nonzero((limited < sizes) & inside))
    return counts, n_clipped


def thickness_planes(memory_mb: float, shape: Shape, reach: int, more: int = 0) -> int:
    """Planes of a slab that fit into the memory if no sphere is larger than the reach (voxels), with `more` painted on either side."""
    wide = 1 if reach < NARROW else 2  # the type of distances
    return planes_for(
        memory_mb, shape, wide * SLAB_BYTES, min(2 * (reach + more), shape[0]), wide * HALO_BYTES
    )


def diagonal(shape: Shape) -> int:
    """No distance within a volume is longer (voxels)."""
    return math.ceil(math.hypot(*shape))


def _free(
    square: Squares,
    box: Box,
    shape: Shape,
    metal_zone: BitVolume | None,
    reach: int,
    threads: int,
) -> Mask:
    """Centres of a box whose sphere meets neither the first layer beyond the scan nor the metal zone."""
    edges = [
        np.minimum(np.arange(n) + 1, n - np.arange(n))[s].astype(np.int64) ** 2
        for n, s in zip(shape, box, strict=True)
    ]
    free = np.empty(square.shape, bool)
    for z in range(len(square)):
        free[z] = square[z] < np.minimum(edges[0][z], np.minimum(edges[1][:, None], edges[2]))
    if metal_zone is not None:
        first, last = box[0].start, box[0].stop
        below, above = max(0, first - reach), min(shape[0], last + reach)
        outside = ~crop(metal_zone.read, (slice(below, above), *box[1:]))
        inner = slice(first - below, last - below)
        zone = squared_distance(outside, threads, reach, inner)
        for z in range(len(square)):
            free[z] &= (square[z] < zone[z]) | (zone[z] > reach**2)
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
