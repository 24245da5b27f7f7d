"""Euler number with the correction for cut edges, connectivity, and purification.

The bone is 26-connected, what is not bone 6-connected. The Euler number is summed over the corners that voxels share
(octants): each corner takes one eighth of its voxels, a quarter of their faces, half of their edges, and itself. Summed
over all corners it is the Euler number of the bone; summed over the corners whose eight voxels all lie in the volume of
interest it is the number corrected for the cut edges of Odgaard & Gundersen 1993 (Bone 14:173) [from memory]. In a box
it equals chi - F/2 + E/4 - C/8 (chi of the faces, edges and corners of the box), the correction that BoneJ makes; here the
volume of interest may have any shape, and parts that share a layer of voxels add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray

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


def connectivity(bone: Mask, voi: Mask | None = None) -> Connectivity:
    """Euler number and connectivity of bone in a VOI.

    Parameters
    ----------
    bone, voi
        (z, y, x); the whole array without a VOI.
    """
    beyond = ((1, 1), (0, 0), (0, 0))
    voi = np.ones(bone.shape, bool) if voi is None else voi
    everywhere, within = octant_sums(np.pad(bone & voi, beyond), np.pad(voi, beyond))
    return Connectivity(everywhere // 8, within / 8)


def octant_sums(inside: Mask, region: Mask) -> tuple[int, int]:
    """Eighths of the Euler number from the corners between planes; those of blocks that share a plane add up.

    Parameters
    ----------
    inside
        (z, y, x) bone in the region.
    region
        Volume of interest.

    Returns
    -------
    Over all corners (beyond rows and columns is nothing), and over those whose eight voxels all lie in the region.
    """
    everywhere = within = 0
    for z in range(len(inside) - 1):  # pairs of planes stay in the cache
        codes = _codes(np.pad(inside[z : z + 2], ((0, 0), (1, 1), (1, 1))))
        everywhere += int(np.bincount(codes.ravel(), minlength=256) @ EIGHTHS)
        kept = codes[:, 1:-1, 1:-1][_codes(region[z : z + 2]) == 255]
        within += int(np.bincount(kept, minlength=256) @ EIGHTHS)
    return everywhere, within


def purify(bone: Mask, outside: Mask | None = None) -> Mask:
    """Keep the largest 26-connected part of the bone and fill its cavities (all of its background but the largest 6-part).

    Parameters
    ----------
    bone
        (z, y, x).
    outside
        Voxels that are never filled: metal and its band.
    """
    if not bone.any() or bone.all():
        return bone.copy()
    kept = _largest(bone, 26)
    filled = ~_largest(~kept, 6)
    return filled if outside is None else filled & ~outside


def without_specks(bone: Mask, smallest: float) -> Mask:
    """Bone without its 26-connected parts of fewer voxels than `smallest`."""
    labels = cc3d.connected_components(bone, connectivity=26)
    kept = np.bincount(labels.ravel()) >= smallest
    kept[0] = False
    return kept[labels]


def _largest(mask: Mask, neighbours: int) -> Mask:
    labels = cc3d.connected_components(mask, connectivity=neighbours)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax()


def _codes(mask: Mask) -> NDArray[np.uint8]:
    """Which of the eight voxels around each inner corner are set, one bit each (bit 4 dz + 2 dy + dx)."""
    nz, ny, nx = mask.shape
    codes = np.zeros((max(0, nz - 1), max(0, ny - 1), max(0, nx - 1)), np.uint8)
    small = mask.view(np.uint8) if mask.dtype == bool else mask.astype(np.uint8)
    for bit in range(8):
        dz, dy, dx = bit >> 2 & 1, bit >> 1 & 1, bit & 1
        codes |= small[dz : nz - 1 + dz, dy : ny - 1 + dy, dx : nx - 1 + dx] << np.uint8(bit)
    return codes


def _octant_table() -> NDArray[np.int64]:
    """Eighths of the Euler number that a corner gives, by the code of its voxels (see the module's text)."""
    around = [
        [b for b in range(8) if b >> axis & 1 == side] for axis in range(3) for side in (0, 1)
    ]  # 6 edges of cubes
    shared = [(a, a | 1 << axis) for axis in range(3) for a in range(8) if not a >> axis & 1]  # 12 faces of cubes
    table = np.zeros(256, np.int64)
    for code in range(256):
        on = [bool(code >> b & 1) for b in range(8)]
        edges = sum(any(on[b] for b in group) for group in around)
        faces = sum(on[a] or on[b] for a, b in shared)
        table[code] = 8 * any(on) - 4 * edges + 2 * faces - sum(on)
    return table


EIGHTHS = _octant_table()
