"""Two more readings of thickness: the map as ImageJ's plugin leaves it, and the mid-axes of trabeculae.

ImageJ's local thickness (and so BoneJ) paints closed spheres over the background they touch as well, then gives every voxel
that touches what is still empty the mean of those of its 26 neighbours that do not, and cuts the result to the bone. Done
here on the exact map it gives that plugin's mean, spread and maximum to the last digit that is known (tests), 1 to 2 %
above the exact map on trabecular bone.
"""

from __future__ import annotations

import edt
import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from periomics.microct.thickness import local_thickness

Mask = NDArray[np.bool_]
# A voxel is on the mid-axis where the distance to the border grows by less than this share of any step to a neighbour.
GROWTH = 0.7


def bonej_thickness(
    phase: Mask, square: NDArray[np.int32], threads: int = 1, to_voi: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Local thickness (voxels) of a phase as ImageJ's plugin gives it; 0 outside the phase.

    Parameters
    ----------
    phase
        (z, y, x).
    square
        `thickness.squared_distance(phase)`.
    to_voi
        Squared distance (voxels²) to the VOI; the map is then right in the VOI only, and made faster.
    """
    # Closed spheres reach no further than the voxels that touch the phase; others need not wait for one.
    wanted = ndimage.binary_dilation(phase, np.ones((3, 3, 3), bool))
    centres = None
    if to_voi is not None:
        # A voxel's clean-up looks two voxels around it, corners included.
        wanted &= to_voi <= 12
        centres = np.sqrt(to_voi) - np.float32(12**0.5) <= np.sqrt(square, dtype=np.float32)
    return np.where(phase, _cleaned(local_thickness(wanted, threads, square, centres)), np.float32(0))


@numba.njit(cache=True)
def _cleaned(sizes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Voxels that touch a 0 set to the mean of their inner neighbours, or left where they have none; no 0 beyond the array."""
    nz, ny, nx = sizes.shape
    surface = np.zeros(sizes.shape, np.bool_)
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if sizes[z, y, x] > 0:
                    surface[z, y, x] = _near_background(sizes, z, y, x)
    out = sizes.copy()
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if surface[z, y, x]:
                    out[z, y, x] = _inner_mean(sizes, surface, z, y, x)
    return out


@numba.njit(cache=True)
def _near_background(sizes, z, y, x):
    nz, ny, nx = sizes.shape
    for k in range(max(0, z - 1), min(nz, z + 2)):
        for j in range(max(0, y - 1), min(ny, y + 2)):
            for i in range(max(0, x - 1), min(nx, x + 2)):
                if sizes[k, j, i] == 0:
                    return True
    return False


@numba.njit(cache=True)
def _inner_mean(sizes, surface, z, y, x):
    nz, ny, nx = sizes.shape
    total = 0.0
    count = 0
    for k in range(max(0, z - 1), min(nz, z + 2)):
        for j in range(max(0, y - 1), min(ny, y + 2)):
            for i in range(max(0, x - 1), min(nx, x + 2)):
                if sizes[k, j, i] > 0 and not surface[k, j, i]:
                    total += sizes[k, j, i]
                    count += 1
    return np.float32(total / count) if count else sizes[z, y, x]


def mid_axis(phase: Mask, threads: int = 1) -> Mask:
    """Voxels of a phase from which the distance to its border grows nowhere as it would on the way to a thicker place."""
    if not phase.any() or phase.all():
        return np.zeros_like(phase)
    distance = edt.edt(np.ascontiguousarray(phase), black_border=False, parallel=threads)
    return _ridge(distance)


@numba.njit(cache=True)
def _ridge(distance):
    nz, ny, nx = distance.shape
    ridge = np.zeros(distance.shape, np.bool_)
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                here = distance[z, y, x]
                if here == 0:
                    continue
                ridge[z, y, x] = True
                for k in range(max(0, z - 1), min(nz, z + 2)):
                    for j in range(max(0, y - 1), min(ny, y + 2)):
                        for i in range(max(0, x - 1), min(nx, x + 2)):
                            step = np.sqrt(np.float64((k - z) ** 2 + (j - y) ** 2 + (i - x) ** 2))
                            if distance[k, j, i] - here > GROWTH * step and step > 0:
                                ridge[z, y, x] = False
    return ridge
