"""Euler number with the correction for cut edges, and connectivity.

The bone is 26-connected, what is not bone 6-connected. The Euler number is summed over the corners that voxels share
(octants): each corner takes one eighth of its voxels, a quarter of their faces, half of their edges, and itself. Summed
over all corners it is the Euler number of the bone; summed over the corners whose eight voxels all lie in the volume of
interest it is the number corrected for the cut edges. In a box
it equals chi - F/2 + E/4 - C/8 (chi of the faces, edges and corners of the box), the correction that BoneJ makes; here the
volume of interest may have any shape, and parts that share a layer of voxels add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numba
import numpy as np
from numpy.typing import NDArray

from periomics.microct.boxes import box_around, crop, size_of
from periomics.microct.slabs import BitVolume, slabs
from periomics.microct.threads import in_parts

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Connectivity:
    """Euler number of the bone in the VOI, the number corrected for cut edges, and 1 - that."""

    euler: int
    corrected: float

    @property
    def connections(self) -> float:
        """Connections that can be cut before the bone falls apart; may be negative where it has many parts."""
        return 1.0 - self.corrected


def connectivity(
    bone: BitVolume, voi: BitVolume | None = None, planes: int = 64, threads: int = 1
) -> Connectivity:
    """Euler number and connectivity of bone in a VOI.

    Parameters
    ----------
    bone, voi
        (z, y, x); the whole without a VOI.
    planes
        Planes of a slab; neither they nor threads change the result.
    """
    box = box_around(voi, 0, bone.shape)
    nz, ny, nx = size_of(box)
    everywhere = within = 0
    for low, high in slabs(nz, planes, "Euler number"):
        first = max(0, low - 1)
        start = int(low == 0)  # a plane of nothing below the volume, and one above
        mask = np.zeros((start + high - first + (high == nz), ny, nx), bool)
        region = np.zeros_like(mask)
        at = slice(start, start + high - first)
        seen = (slice(box[0].start + first, box[0].start + high), *box[1:])
        region[at] = True if voi is None else crop(voi.read, seen)
        mask[at] = crop(bone.read, seen) & region[at]
        sums = octant_sums(mask, region, threads)
        everywhere, within = everywhere + sums[0], within + sums[1]
    return Connectivity(everywhere // 8, within / 8)


def octant_sums(inside: Mask, region: Mask, threads: int = 1) -> tuple[int, int]:
    """Eighths of the Euler number from the corners between planes; those of blocks that share a plane add up.

    Parameters
    ----------
    inside
        (z, y, x) bone in the region.
    region
        Volume of interest.
    threads
        Threads; the result does not depend on it.

    Returns
    -------
    Over all corners (beyond rows and columns is nothing), and over those whose eight voxels all lie in the region.
    """
    sums = np.zeros((max(0, len(inside) - 1), 2), np.int64)
    in_parts(partial(_octants, inside.view(np.uint8), region, EIGHTHS, sums), len(sums), threads)
    everywhere, within = sums.sum(axis=0)
    return int(everywhere), int(within)


@numba.njit(cache=True, nogil=True)
def _octants(inside, region, eighths, sums, low, high):
    """Sums of the table over the corners above planes low to high, by plane; `columns` hold four voxels of a corner in a bit each."""
    _, ny, nx = inside.shape
    columns = np.zeros(nx + 2, np.uint8)
    for z in range(low, high):
        for y in range(-1, ny):
            for x in range(nx):
                bits = np.uint8(0)
                if y >= 0:
                    bits |= inside[z, y, x] | inside[z + 1, y, x] << 4
                if y + 1 < ny:
                    bits |= inside[z, y + 1, x] << 2 | inside[z + 1, y + 1, x] << 6
                columns[x + 1] = bits
            for x in range(nx + 1):
                code = columns[x] | columns[x + 1] << 1
                if code != 0 and code != 255:  # nothing and full bone give 0
                    sums[z, 0] += eighths[code]
                    if 0 <= y < ny - 1 and 0 < x < nx and _all_in(region, z, y, x - 1):
                        sums[z, 1] += eighths[code]


@numba.njit(cache=True, nogil=True)
def _all_in(region, z, y, x):
    inside = True
    for k in range(8):
        inside = inside and region[z + (k >> 2), y + (k >> 1 & 1), x + (k & 1)]
    return inside


def _octant_table() -> NDArray[np.int64]:
    """Eighths of the Euler number that a corner gives, by the code of its voxels, bit 4 dz + 2 dy + dx (see the module's text)."""
    around = [
        [b for b in range(8) if b >> axis & 1 == side] for axis in range(3) for side in (0, 1)
    ]  # 6 edges of cubes
    shared = [
        (a, a | 1 << axis) for axis in range(3) for a in range(8) if not a >> axis & 1
    ]  # 12 faces of cubes
    table = np.zeros(256, np.int64)
    for code in range(256):
        on = [bool(code >> b & 1) for b in range(8)]
        edges = sum(any(on[b] for b in group) for group in around)
        faces = sum(on[a] or on[b] for a, b in shared)
        table[code] = 8 * any(on) - 4 * edges + 2 * faces - sum(on)
    return table


EIGHTHS = _octant_table()
