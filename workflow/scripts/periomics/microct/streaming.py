"""Bone morphometry of masks larger than memory: counts and sums over slabs, the same whatever the slabs are.

Whole numbers are added exactly; sums of areas are kept for each layer of cells and added in the order of layers. Definitions
are those of the modules that do the same in memory: `morphometry`, `cleanup`, `connectivity`, `surface`, `anisotropy`.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from periomics.microct.anisotropy import Anisotropy, anisotropy_of_bits, floors_of_bits
from periomics.microct.cleanup import ridge
from periomics.microct.connectivity import Connectivity, octant_sums
from periomics.microct.distance import squared_distance
from periomics.microct.morphometry import Fraction
from periomics.microct.random_field import plan_for
from periomics.microct.slabs import LOG, BitVolume, Shape, bounds, empty_bits, planes_for, slabs
from periomics.microct.streamed_thickness import (
    FIRST_REACH,
    SizeCounts,
    diagonal,
    streamed_thickness,
)
from periomics.microct.surface import MARGIN, Surface, from_layers, layers_of_surface

# Bytes a voxel of a slab of mid-axes at work, and of the planes that only lend their background (measured).
AXIS_BYTES, LENT_BYTES = 8.0, 3.0
FIELD_MASKS = 3  # bone, VOI and field in the VOI's bounding box


def streamed_fraction(bone: BitVolume, voi: BitVolume | None = None, planes: int = 64) -> Fraction:
    """Voxels of bone in the VOI (the whole volume if not given), and of the VOI."""
    inside = total = 0
    for low, high in slabs(bone.shape[0], planes, "count voxels"):
        mask = bone.read(low, high)
        region = None if voi is None else voi.read(low, high)
        inside += int(np.count_nonzero(mask if region is None else mask & region))
        total += mask.size if region is None else int(np.count_nonzero(region))
    return Fraction(inside, total)


def streamed_connectivity(
    bone: BitVolume, voi: BitVolume | None = None, planes: int = 64, threads: int = 1
) -> Connectivity:
    """Euler number of the bone in the VOI and the number corrected for cut edges: `connectivity.connectivity`, by slabs."""
    nz, ny, nx = bone.shape
    everywhere = within = 0
    for low, high in slabs(nz, planes, "Euler number"):
        first = max(0, low - 1)
        start = int(low == 0)  # a plane of nothing below the volume, and one above
        mask = np.zeros((start + high - first + (high == nz), ny, nx), bool)
        region = np.zeros_like(mask)
        at = slice(start, start + high - first)
        region[at] = True if voi is None else voi.read(first, high)
        mask[at] = bone.read(first, high) & region[at]
        sums = octant_sums(mask, region, threads)
        everywhere, within = everywhere + sums[0], within + sums[1]
    return Connectivity(everywhere // 8, within / 8)


def streamed_surface(
    bone: BitVolume,
    voxel_mm: float,
    voi: BitVolume | None = None,
    planes: int = 64,
    threads: int = 1,
) -> Surface:
    """Bone surface in the VOI by three methods, and SMI: `surface.surface`, by slabs, to the last digit."""
    nz = bone.shape[0]
    smooth, raw = np.zeros((max(0, nz - 1), 3)), np.zeros(max(0, nz - 1))
    n_faces = volume = 0
    for low, high in slabs(nz, planes, "surface"):
        first, last = max(0, low - MARGIN), min(nz, high + MARGIN)
        mask = bone.read(first, last)
        region = np.ones(mask.shape, bool) if voi is None else voi.read(first, last)
        layers = slice(low, min(high, nz - 1))
        smooth[layers], raw[layers], more_faces, more = layers_of_surface(
            mask, region, low - first, high - first, threads
        )
        n_faces, volume = n_faces + more_faces, volume + more
    return from_layers(smooth, raw, n_faces, volume, voxel_mm)


def streamed_anisotropy(
    bone: BitVolume, voi: BitVolume | None = None, threads: int = 1
) -> Anisotropy | None:
    """MIL ellipsoid: `anisotropy.anisotropy` on bits, which rays cross in any direction, so they are looked up in place.

    Without a VOI it is the whole volume. None where the rays meet too few changes of phase.
    """
    low, shape = ((0, 0, 0), bone.shape) if voi is None else bounds(voi)
    if min(shape) == 0:
        return None
    return anisotropy_of_bits(bone.bits, None if voi is None else voi.bits, low, shape, threads)


def streamed_noise_floors(
    bone: BitVolume, voi: BitVolume, n: int = 1, memory_mb: float = 1000, threads: int = 1
) -> tuple[Anisotropy, ...]:
    """Anisotropy of n isotropic fields of the same bone: `anisotropy.noise_floors`, by slabs, to the last digit.

    Parameters
    ----------
    bone, voi
        (z, y, x).
    n
        Fields.
    memory_mb
        Memory for this step (MB), the masks given not counted. 8 bytes for each voxel of the VOI's bounding box go to a
        temporary file.
    threads
        Threads; the result does not depend on it.

    Raises
    ------
    ValueError
        If the memory is too little for eight planes, or eight rows along z.
    """
    low, shape = bounds(voi)
    if n == 0 or min(shape) == 0:
        return ()
    plan = plan_for(
        shape, memory_mb - FIELD_MASKS * math.prod(shape) / 8e6, threads, "noise floor of DA"
    )
    return floors_of_bits(_boxed(bone, low, shape), _boxed(voi, low, shape), n, plan)


def _boxed(volume: BitVolume, low: Shape, shape: Shape) -> BitVolume:
    """A box of a mask."""
    if shape == volume.shape:
        return volume
    box = empty_bits(shape)
    for z in range(shape[0]):
        plane = volume.read(low[0] + z, low[0] + z + 1)
        box.write(z, plane[:, low[1] : low[1] + shape[1], low[2] : low[2] + shape[2]])
    return box


def streamed_mid_axis(
    bone: BitVolume, planes: int | None = None, memory_mb: float = 4000.0, threads: int = 1
) -> BitVolume:
    """`cleanup.mid_axis` by slabs. How far distances must look beyond a slab is found on the way, as in `streamed_thickness`.

    Raises
    ------
    ValueError
        If the memory is too little for its distances.
    """
    shape, longest = bone.shape, diagonal(bone.shape)
    axes, reach, low = empty_bits(shape), FIRST_REACH, 0
    while low < shape[0]:
        lent = min(2 * reach + 2, shape[0])
        high = min(
            shape[0], low + (planes or planes_for(memory_mb, shape, AXIS_BYTES, lent, LENT_BYTES))
        )
        first, last = max(0, low - 1), min(shape[0], high + 1)
        below, above = max(0, first - reach), min(shape[0], last + reach)
        square = squared_distance(
            bone.read(below, above), threads, reach, slice(first - below, last - below)
        )
        if int(square.max(initial=0)) <= reach**2:
            axes.write(low, ridge(square, slice(low - first, high - first), threads))
            LOG.info("mid-axes: %d of %d planes", high, shape[0])
            low = high
        elif reach < longest:
            reach = min(2 * reach, longest)
        else:
            return empty_bits(shape)  # bone everywhere
    return axes


def streamed_spacing(
    bone: BitVolume,
    voi: BitVolume | None = None,
    planes: int | None = None,
    memory_mb: float = 4000.0,
    threads: int = 1,
) -> SizeCounts | None:
    """Local thickness of what lies between the mid-axes of the bone: `morphometry.mid_axis_spacing` by slabs, in voxels.

    None without mid-axes, or where the VOI holds nothing else. The mid-axes take one bit a voxel besides the memory.

    Raises
    ------
    ValueError
        If the memory is too little for its spheres.
    """
    axes = streamed_mid_axis(bone, planes, memory_mb, threads)
    if not axes.bits.any():
        return None
    found = streamed_thickness(
        lambda low, high: ~axes.read(low, high),
        bone.shape,
        voi,
        planes,
        memory_mb,
        threads,
        step="spacing of mid-axes",
    )
    return found if found.n_voxels else None


def streamed_shells(
    bone: BitVolume,
    implant: BitVolume,
    edges_um: list[tuple[float, float]],
    voxel_um: float,
    voi: BitVolume | None = None,
    planes: int = 64,
    threads: int = 1,
) -> list[Fraction]:
    """Bone and all voxels in shells `low < distance to the implant <= high` (µm), as `periimplant.shell` cuts them.

    Parameters
    ----------
    bone, implant
        (z, y, x).
    edges_um
        Shells (low, high).
    voxel_um
        Edge of a voxel.
    voi
        Where shells count (a range along the axis); everywhere if not given.
    planes
        Planes of a slab; distances see `max(high)` beyond it. About 7 bytes a voxel of the slab, 3 of what is seen beyond.
    """
    nz = bone.shape[0]
    reach = int(np.ceil(max(high for _, high in edges_um) / voxel_um)) + 1
    # the same tolerance and arithmetic as in memory, once for each squared distance
    radii = np.sqrt(np.arange(reach**2 + 1, dtype=np.float32)) * np.float32(voxel_um)
    shells = np.array([(radii > low + 1e-3) & (radii <= high + 1e-3) for low, high in edges_um])
    bones, totals = np.zeros(reach**2 + 2, np.int64), np.zeros(reach**2 + 2, np.int64)
    for low, high in slabs(nz, planes, "shells"):
        first, last = max(0, low - reach), min(nz, high + reach)
        metal = implant.read(first, last)
        if not metal.any():
            continue
        square = squared_distance(~metal, threads, reach, slice(low - first, high - first))
        region = np.ones(square.shape, bool) if voi is None else voi.read(low, high)
        _by_distance(square, bone.read(low, high), region, bones, totals)
    return [Fraction(int(bones[:-1] @ s), int(totals[:-1] @ s)) for s in shells]


@numba.njit(cache=True)
def _by_distance(square, bone, region, bones, totals):
    """Count voxels by squared distance; the last place takes all that lies farther."""
    top = bones.shape[0] - 1
    nz, ny, nx = square.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if region[z, y, x]:
                    at = min(np.int64(square[z, y, x]), top)
                    totals[at] += 1
                    bones[at] += bone[z, y, x]
