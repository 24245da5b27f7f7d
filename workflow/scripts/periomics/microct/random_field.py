"""Isotropic Gaussian random fields that share fraction and correlation with a bone, made slab by slab.

A transform of a volume is made in passes: planes along x and y, slab by slab, then lines along z, block by block of rows.
What lies between two passes is kept in memory or in a temporary file. Each line is transformed by itself, the radial mean is
added up row by row and random numbers are drawn plane by plane, so that the mask of a field is the same, to the last voxel,
whatever the slabs and threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from periomics.microct.slabs import BitVolume, Reader, Shape, empty_bits, planes_for, slabs
from periomics.microct.spill import Held, Spill
from periomics.microct.threads import in_parts

# Bytes of a pass at work (measured, and a fifth more): a voxel of a slab, a coefficient of a block, either of a plane in a thread.
SLAB_BYTES, BLOCK_BYTES, THREAD_BYTES = 40.0, 40.0, 64.0
MOST_PLANES = 64  # more make no pass faster
BINS = 1 << 16

Kept = Held | Spill
Plane = Callable[[NDArray], NDArray]
Row = Callable[[int, NDArray], NDArray]


@dataclass(frozen=True)
class Plan:
    """How the transforms of a volume are cut up; no result depends on it.

    `planes` of a slab, `rows` (y) of a block of lines along z, `kept`: what holds the volume between passes, `step`: name in
    the log (no lines without one).
    """

    shape: Shape
    planes: int = MOST_PLANES
    rows: int = MOST_PLANES
    threads: int = 1
    kept: type[Held] | type[Spill] = Held
    step: str = ""

    @property
    def half(self) -> Shape:
        """Shape of the transform of real values."""
        return self.shape[0], self.shape[1], self.shape[2] // 2 + 1

    def name(self, of: str) -> str:
        """Name of a pass in the log."""
        return f"{self.step}, {of}" if self.step else ""


def plan_for(shape: Shape, memory_mb: float, threads: int = 1, step: str = "") -> Plan:
    """Slabs and blocks that fit into the memory (MB); ValueError if too few do.

    What lies between passes stays in memory if it takes no more than a quarter of it, else in a temporary file.
    """
    half = shape[2] // 2 + 1
    between_mb = 16 * shape[0] * shape[1] * half / 1e6
    kept = Held if between_mb <= memory_mb / 4 else Spill
    memory_mb -= between_mb if kept is Held else 0
    planes = planes_for(memory_mb, shape, SLAB_BYTES, threads, THREAD_BYTES)
    rows = planes_for(memory_mb, (shape[1], shape[0], half), BLOCK_BYTES, threads, THREAD_BYTES)
    return Plan(shape, min(MOST_PLANES, planes), min(MOST_PLANES, rows), threads, kept, step)


def radial_amplitude(bone: Reader, voi: Reader, fraction: float, plan: Plan) -> NDArray[np.float64]:
    """Amplitude of the isotropic field at each radial frequency, so that the field once cut has the bone's correlation.

    The correlation is that of the bone averaged over directions, brought from the cut field to the Gaussian one by the
    arcsine law.

    Parameters
    ----------
    bone, voi
        Give planes low to high (exclusive) of the volume.
    fraction
        Share of bone in the VOI, neither 0 nor 1.
    plan
        How the volume is cut up.
    """
    with plan.kept(plan.half, np.complex64) as kept:
        for low, high in slabs(plan.shape[0], plan.planes, plan.name("bone")):
            region = voi(low, high)
            inside = bone(low, high) & region
            centred = np.where(region, inside - np.float32(fraction), np.float32(0))
            kept.write(low, _transformed(centred, plan, np.complex64))
        power = _radial_mean(kept, plan, "power", _power)
    with plan.kept(plan.half, np.complex128) as kept:
        _lines(
            kept,
            plan,
            "correlation along z",
            lambda y, _: np.fft.ifft(power[radii(plan.shape, y)], axis=0),
        )
        largest = _inverse(kept.read(0, 1)[0], plan.shape[2])[0, 0]
        bend = partial(_bend, nx=plan.shape[2], largest=largest)
        for low, high in slabs(plan.shape[0], plan.planes, plan.name("correlation")):
            planes = kept.read(low, high)
            kept.write(low, _each(bend, planes, planes, plan.threads))
        return np.sqrt(np.maximum(_radial_mean(kept, plan, "spectrum", np.real), 0))


def field_mask(
    amplitude: NDArray[np.float64], voi: Reader, bone: int, total: int, seed: int, plan: Plan
) -> BitVolume:
    """Mask of one random field, cut so that as many voxels of the VOI are above as there are of bone.

    Parameters
    ----------
    amplitude
        As `radial_amplitude` gives it.
    voi
        Gives planes of the VOI.
    bone, total
        Voxels of bone in the VOI, and of the VOI.
    seed
        Of the random numbers.
    plan
        How the volume is cut up.
    """
    rng = np.random.default_rng(seed)
    with plan.kept(plan.half, np.complex128) as kept:
        for low, high in slabs(plan.shape[0], plan.planes, plan.name("noise")):
            noise = rng.standard_normal((high - low, *plan.shape[1:]), np.float32)
            kept.write(low, _transformed(noise, plan, np.complex128))
        _lines(kept, plan, "noise along z", partial(_shaped, amplitude=amplitude, shape=plan.shape))
        least, largest = _to_field(kept, voi, plan)

        def field(name: str) -> Iterator[tuple[int, NDArray]]:
            for low, high in slabs(plan.shape[0], plan.planes, plan.name(name)):
                yield low, _real(kept.read(low, high), plan.shape[2])

        def within(name: str) -> Iterator[NDArray]:
            for low, some in field(name):
                yield from (
                    values[region]
                    for values, region in zip(some, voi(low, low + len(some)), strict=True)
                )

        cut = _ranked(within, max(0, total - 1 - bone), least, largest)
        mask = empty_bits(plan.shape)
        for low, values in field("mask"):
            mask.write(low, values > cut)
    return mask


def radii(shape: Shape, y: int) -> NDArray[np.int64]:
    """Radial frequency of the coefficients of a row (z, x) of a real transform, in cycles over the longest edge, rounded."""
    along_z, along_y, along_x = (
        np.fft.fftfreq(shape[0]),
        np.fft.fftfreq(shape[1])[y],
        np.fft.rfftfreq(shape[2]),
    )
    return np.rint(np.sqrt(along_z[:, None] ** 2 + along_y**2 + along_x**2) * max(shape)).astype(
        np.int64
    )


def _forward(plane: NDArray) -> NDArray:
    """A plane of real values, transformed along x and y."""
    return np.fft.fft(np.fft.rfft(plane, axis=1), axis=0)


def _inverse(plane: NDArray, nx: int) -> NDArray[np.float64]:
    return np.fft.irfft(np.fft.ifft(plane, axis=0), nx, axis=1)


def _bend(plane: NDArray, nx: int, largest: float) -> NDArray:
    """The cut field's correlation to the Gaussian field's, on a plane of transforms."""
    return _forward(np.sin(np.pi / 2 * np.clip(_inverse(plane, nx) / largest, -1, 1)))


def _shaped(y: int, row: NDArray, amplitude: NDArray[np.float64], shape: Shape) -> NDArray:
    """A row of noise with the field's spectrum; noise is in single precision until then, as it is drawn."""
    return np.fft.ifft(
        np.fft.fft(row.astype(np.complex64), axis=0) * amplitude[radii(shape, y)], axis=0
    )


def _power(row: NDArray) -> NDArray[np.float64]:
    return row.real.astype(np.float64) ** 2 + row.imag.astype(np.float64) ** 2


def _real(planes: NDArray, nx: int) -> NDArray[np.float64]:
    """The real values that are kept in the place of a transform."""
    return planes.view(np.float64)[..., :nx]


def _each(work: Plane, planes: NDArray, out: NDArray, threads: int) -> NDArray:
    """`work` on each of some planes; `out` may be the planes themselves."""

    def some(first: int, last: int) -> None:
        for z in range(first, last):
            out[z] = work(planes[z])

    in_parts(some, len(planes), threads)
    return out


def _transformed(planes: NDArray, plan: Plan, dtype: type) -> NDArray:
    return _each(_forward, planes, np.empty((len(planes), *plan.half[1:]), dtype), plan.threads)


def _lines(kept: Kept, plan: Plan, name: str, work: Row) -> None:
    """`work` on each row (z, x) in place."""
    for low, high in slabs(plan.shape[1], plan.rows, plan.name(name)):
        block = kept.read_rows(low, high).swapaxes(0, 1)

        def shifted(y: int, row: NDArray, low: int = low) -> NDArray:
            return work(low + y, row)

        _each_row(shifted, block, plan.threads)
        kept.write_rows(low, block.swapaxes(0, 1))


def _each_row(work: Row, block: NDArray, threads: int) -> None:
    def some(first: int, last: int) -> None:
        for y in range(first, last):
            block[y] = work(y, block[y])

    in_parts(some, len(block), threads)


def _radial_mean(kept: Kept, plan: Plan, name: str, of: Plane) -> NDArray[np.float64]:
    """Mean of a function of the coefficients over all directions, at each radial frequency; lines are transformed along z."""
    bins = int(radii(plan.shape, plan.shape[1] // 2).max()) + 1
    sums = np.zeros((2, bins))

    def sums_of(block: NDArray, low: int, found: NDArray, first: int, last: int) -> None:
        for y in range(first, last):
            radius, values = (
                radii(plan.shape, low + y).ravel(),
                of(np.fft.fft(block[:, y], axis=0)).ravel(),
            )
            found[y] = np.bincount(radius, values, bins), np.bincount(radius, minlength=bins)

    for low, high in slabs(plan.shape[1], plan.rows, plan.name(name)):
        found = np.zeros((high - low, 2, bins))
        in_parts(partial(sums_of, kept.read_rows(low, high), low, found), high - low, plan.threads)
        for row in found:  # one by one, so that rounding does not depend on the blocks
            sums += row
    return sums[0] / np.maximum(sums[1], 1)


def _to_field(kept: Kept, voi: Reader, plan: Plan) -> tuple[float, float]:
    """Planes of transforms to planes of the field, which take their place; least and largest value in the VOI."""
    nx = plan.shape[2]
    least, largest = np.inf, -np.inf
    for low, high in slabs(plan.shape[0], plan.planes, plan.name("field")):
        planes = kept.read(low, high)

        def put(plane: NDArray) -> NDArray:
            _real(plane, nx)[:] = _inverse(plane, nx)
            return plane

        values = _real(_each(put, planes, planes, plan.threads), nx)[voi(low, high)]
        least, largest = values.min(initial=least), values.max(initial=largest)
        kept.write(low, planes)
    return float(least), float(largest)


def _ranked(
    values: Callable[[str], Iterator[NDArray]], rank: int, least: float, largest: float
) -> float:
    """The value at a place in ascending order (from 0), of values that are given in parts as often as asked for.

    They are counted in narrow bins; those of the bin that holds the place are put in order.
    """
    if not largest > least:
        return least

    def bins(
        some: NDArray,
    ) -> NDArray[np.int64]:  # never falls where values rise, so no value is in a wrong bin
        return np.minimum((some - least) * (BINS / (largest - least)), BINS - 1).astype(np.int64)

    counts = np.zeros(BINS, np.int64)
    for some in values("count"):
        counts += np.bincount(bins(some), minlength=BINS)
    ends = np.cumsum(counts)
    at = int(np.searchsorted(ends, rank, side="right"))
    held = np.concatenate([some[bins(some) == at] for some in values("cut")])
    place = rank - int(ends[at] - counts[at])
    return float(np.partition(held, place)[place])
