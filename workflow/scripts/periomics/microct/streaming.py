"""Bone morphometry of masks larger than memory: counts and sums over slabs, the same whatever the slabs are.

Whole numbers are added exactly; sums of areas are kept for each layer of cells and added in the order of layers. Definitions
are those of the modules that do the same in memory: `morphometry`, `connectivity`, `surface`, `anisotropy`.
"""

from __future__ import annotations

import numba
import numpy as np
from scipy import ndimage

from periomics.microct import anisotropy as mil
from periomics.microct.anisotropy import Anisotropy
from periomics.microct.connectivity import _EIGHTHS, Connectivity
from periomics.microct.distance import squared_distance, using_threads
from periomics.microct.mesh import codes_of_columns, columns_of_masks, layer_sums, mask_layer_areas
from periomics.microct.morphometry import Fraction
from periomics.microct.slabs import BitVolume, slabs
from periomics.microct.surface import MARGIN, SMOOTHING, Surface


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
        first, last = max(0, low - 1), min(nz, high)
        start = int(low == 0)  # a plane of nothing below the volume, and one above
        mask = np.zeros((start + last - first + (high == nz), ny, nx), bool)
        region = np.zeros_like(mask)
        at = slice(start, start + last - first)
        region[at] = True if voi is None else voi.read(first, last)
        mask[at] = bone.read(first, last) & region[at]
        with using_threads(threads):
            sums = _octants(mask.view(np.uint8), region, _EIGHTHS)
        everywhere, within = everywhere + sums[0], within + sums[1]
    return Connectivity(int(everywhere) // 8, float(within) / 8)


@numba.njit(cache=True, parallel=True)
def _octants(mask, region, eighths):
    """Sums of the table over all corners between planes, and over those of which all eight voxels lie in the region.

    The code of a corner has bit 4 dz + 2 dy + dx for each of its voxels; beyond rows and columns is nothing. Corners in
    nothing and in full bone give 0 and are passed over.
    """
    nz, ny, nx = mask.shape
    everywhere = 0
    within = 0
    for z in numba.prange(nz - 1):
        nothing, columns, codes = np.zeros(nx, np.uint8), np.zeros(nx + 2, np.uint8), np.zeros(nx + 1, np.uint8)
        for y in range(-1, ny):
            before, after = y >= 0, y + 1 < ny
            columns_of_masks(
                mask[z, y] if before else nothing, mask[z, y + 1] if after else nothing,
                mask[z + 1, y] if before else nothing, mask[z + 1, y + 1] if after else nothing, columns[1 : nx + 1],
            )  # fmt: skip
            codes_of_columns(columns, codes)
            for x in range(nx + 1):
                if codes[x] != 0 and codes[x] != 255:
                    everywhere += eighths[codes[x]]
                    if before and after and x > 0 and x < nx and _all_in(region, z, y, x - 1):
                        within += eighths[codes[x]]
    return everywhere, within


@numba.njit(cache=True)
def _all_in(region, z, y, x):
    inside = True
    for k in range(8):
        inside = inside and region[z + (k >> 2), y + (k >> 1 & 1), x + (k & 1)]
    return inside


def streamed_surface(
    bone: BitVolume, voxel_mm: float, voi: BitVolume | None = None, planes: int = 64, threads: int = 1
) -> Surface:
    """Bone surface in the VOI by three methods, and SMI: `surface.surface`, by slabs.

    Areas of meshes differ from those in memory by the rounding of its single-precision points, and in the few cells
    where cuts can be joined in two ways (module `mesh`).
    """
    nz = bone.shape[0]
    smooth_sums, raw_areas = np.zeros((max(0, nz - 1), 3)), np.zeros(max(0, nz - 1))
    faces = volume = 0
    for low, high in slabs(nz, planes, "surface"):
        first, last = max(0, low - MARGIN), min(nz, high + MARGIN)
        mask = bone.read(first, last)
        region = np.ones(mask.shape, bool) if voi is None else voi.read(first, last)
        smooth = ndimage.gaussian_filter(mask.astype(np.float32), SMOOTHING, mode="nearest")
        layers = slice(low, min(high, nz - 1))
        with using_threads(threads):
            smooth_sums[layers] = layer_sums(smooth, region, low - first, layers.stop - first)
            raw_areas[layers] = mask_layer_areas(mask, region, low - first, layers.stop - first)
            faces += int(_faces(mask, region, low - first, high - first))
        core = slice(low - first, high - first)
        volume += int(np.count_nonzero((smooth[core] >= 0.5) & region[core]))
    area, change, concave = (float(v) for v in smooth_sums.sum(axis=0))
    smi, share = (6 * change * volume / area**2, concave / area) if area else (float("nan"), float("nan"))
    return Surface(area * voxel_mm**2, float(raw_areas.sum()) * voxel_mm**2, faces * voxel_mm**2, smi, share)


@numba.njit(cache=True, parallel=True)
def _faces(mask, region, low, high):
    """Faces between a bone voxel of the region in planes low to high and a neighbour that is not bone."""
    nz, ny, nx = mask.shape
    count = 0
    for z in numba.prange(low, high):
        for y in range(ny):
            for x in range(nx):
                if mask[z, y, x] and region[z, y, x]:
                    count += z > 0 and not mask[z - 1, y, x]
                    count += z + 1 < nz and not mask[z + 1, y, x]
                    count += y > 0 and not mask[z, y - 1, x]
                    count += y + 1 < ny and not mask[z, y + 1, x]
                    count += x > 0 and not mask[z, y, x - 1]
                    count += x + 1 < nx and not mask[z, y, x + 1]
    return count


def streamed_anisotropy(bone: BitVolume, voi: BitVolume | None = None, threads: int = 1) -> Anisotropy | None:
    """MIL ellipsoid: `anisotropy.anisotropy` on bits, which rays cross in any direction, so they are looked up in place.

    Without a VOI it is the whole volume. None where the rays meet too few changes of phase.
    """
    low, shape = _box(bone, voi)
    if min(shape) == 0:
        return None
    vectors = mil.directions()
    with using_threads(threads):
        lengths, changes = _intercepts(
            bone.bits, (bone if voi is None else voi).bits, voi is None, low, shape, vectors, mil._frames(vectors),
            mil._spacing(shape), mil._shifts(len(vectors)), mil.STEP,
        )  # fmt: skip
    if changes.sum() < mil.LEAST_CHANGES * len(vectors) or not lengths.all():
        return None
    return mil._fit(vectors, changes / lengths)


def _box(bone: BitVolume, voi: BitVolume | None) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """First voxel and shape of the VOI's bounding box."""
    if voi is None:
        return (0, 0, 0), bone.shape
    any_z, any_y, any_x = np.zeros(voi.shape[0], bool), np.zeros(voi.shape[1], bool), np.zeros(voi.shape[2], bool)
    for low, high in slabs(voi.shape[0], 64, "bounds of the VOI"):
        mask = voi.read(low, high)
        any_z[low:high] = mask.any(axis=(1, 2))
        any_y |= mask.any(axis=(0, 2))
        any_x |= mask.any(axis=(0, 1))
    at = [np.flatnonzero(a) for a in (any_z, any_y, any_x)]
    if any(a.size == 0 for a in at):
        return (0, 0, 0), (0, 0, 0)
    return tuple(int(a[0]) for a in at), tuple(int(a[-1] - a[0] + 1) for a in at)


@numba.njit(cache=True, parallel=True)
def _intercepts(bone, voi, whole, low, shape, vectors, frames, spacing, shifts, step):
    """Length (voxels) of rays inside the VOI and changes of phase on them, by direction."""
    nz, ny, nx = shape
    reach = np.sqrt(float(nz * nz + ny * ny + nx * nx)) / 2.0
    steps = int(2 * reach / step) + 1
    half = int(reach / spacing) + 1
    lengths, changes = np.zeros(len(vectors)), np.zeros(len(vectors), np.int64)
    for k in numba.prange(len(vectors)):
        inside = 0
        crossed = 0
        for i in range(-half, half + 1):
            a = (i + shifts[k, 0]) * spacing
            for j in range(-half, half + 1):
                b = (j + shifts[k, 1]) * spacing
                if a * a + b * b <= reach * reach:
                    n, c = _ray(bone, voi, whole, low, shape, vectors[k], frames[k], a, b, shifts[k, 2], step, steps)
                    inside += n
                    crossed += c
        lengths[k] = inside * step
        changes[k] = crossed
    return lengths, changes


@numba.njit(cache=True)
def _ray(bone, voi, whole, low, shape, v, frame, a, b, shift, step, steps):
    """Steps between two points in the VOI on a ray, and how many of them change the phase."""
    nz, ny, nx = shape
    reach = np.sqrt(float(nz * nz + ny * ny + nx * nx)) / 2.0
    last = inside = crossed = 0
    for s in range(steps):
        t = (s + shift) * step - reach
        z = int(np.floor((nz - 1) / 2.0 + t * v[0] + a * frame[0, 0] + b * frame[1, 0] + 0.5))
        y = int(np.floor((ny - 1) / 2.0 + t * v[1] + a * frame[0, 1] + b * frame[1, 1] + 0.5))
        x = int(np.floor((nx - 1) / 2.0 + t * v[2] + a * frame[0, 2] + b * frame[1, 2] + 0.5))
        here = 0
        if z >= 0 and y >= 0 and x >= 0 and z < nz and y < ny and x < nx:
            z, y, x = z + low[0], y + low[1], x + low[2]
            if whole or voi[z, y, x >> 3] >> (x & 7) & 1:
                here = 1 + (bone[z, y, x >> 3] >> (x & 7) & 1)
        if here != 0 and last != 0:
            inside += 1
            crossed += here != last
        last = here
    return inside, crossed


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
