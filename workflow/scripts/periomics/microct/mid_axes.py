"""Mid-axes of the bone, and the spacing between them, whose inverse is the trabecular number of Scanco's IPL."""

from __future__ import annotations

from functools import partial

import numba
import numpy as np

from periomics.microct.boxes import Box, box_around, boxed, crop, grown, size_of, start_of, within
from periomics.microct.distance import Squares, squared_distance
from periomics.microct.slabs import LOG, BitVolume, Mask, empty_bits, planes_for
from periomics.microct.streamed_thickness import (
    FIRST_REACH,
    FartherThanAllowed,
    SizeCounts,
    diagonal,
    streamed_thickness,
)
from periomics.microct.threads import in_parts

# A voxel is on the mid-axis where the distance to the border grows by less than this share of any step to a neighbour.
GROWTH = 0.7
# Bytes a voxel of a slab of mid-axes at work, and of the planes that only lend their background (measured).
AXIS_BYTES, LENT_BYTES = 8.0, 3.0
# First guess of the largest sphere between mid-axes that reaches the VOI (voxels).
FIRST_BETWEEN = 64


def mid_axis(
    bone: BitVolume,
    box: Box | None = None,
    planes: int | None = None,
    memory_mb: float = 4000.0,
    threads: int = 1,
) -> BitVolume:
    """Voxels of a box of the bone from which the distance to its border grows nowhere as it would on the way to a thicker place.

    How far distances must look beyond a slab and the box is found on the way, as in `streamed_thickness`.

    Parameters
    ----------
    bone
        (z, y, x).
    box
        Where they are wanted; the whole if not given.
    planes
        Planes of a slab; as many as the memory (MB) allows if not given. The result does not depend on it.

    Raises
    ------
    ValueError
        If the memory is too little for its distances.
    """
    shape, longest = bone.shape, diagonal(bone.shape)
    box = box or box_around(None, 0, shape)
    axes, reach, low = empty_bits(size_of(box)), FIRST_REACH, box[0].start
    while low < box[0].stop:
        wide = grown(start_of(box), size_of(box), reach + 1, shape)
        lent = min(2 * reach + 2, shape[0])
        plane = (shape[0], *size_of(wide)[1:])
        most = planes or planes_for(memory_mb, plane, AXIS_BYTES, lent, LENT_BYTES)
        high = min(box[0].stop, low + most)
        seen = (slice(low, high), *box[1:])
        beside = grown(start_of(seen), size_of(seen), 1, shape)
        lending = grown(start_of(seen), size_of(seen), reach + 1, shape)
        z, y, x = within(beside, lending)
        square = squared_distance(crop(bone.read, lending), threads, reach, z)[:, y, x]
        if int(square.max(initial=0)) <= reach**2:
            z, y, x = within(seen, beside)
            axes.write(low - box[0].start, ridge(square, z, threads)[:, y, x])
            LOG.info("mid-axes: %d of %d planes", high, box[0].stop)
            low = high
        elif reach < longest:
            reach = min(2 * reach, longest)
        else:
            return empty_bits(size_of(box))  # bone everywhere
    return axes


def mid_axis_spacing(
    bone: BitVolume,
    voi: BitVolume | None = None,
    planes: int | None = None,
    memory_mb: float = 4000.0,
    threads: int = 1,
) -> SizeCounts | None:
    """Local thickness (voxels) of what lies between the mid-axes of the bone, over the VOI.

    None without mid-axes, or where the VOI holds nothing else. Plates P voxels apart give P - 2 to P, since mid-axes are
    one or two voxels wide. The mid-axes take one bit a voxel besides the memory.

    Raises
    ------
    ValueError
        If the memory is too little for its spheres.
    """
    most = FIRST_BETWEEN
    while True:
        box = box_around(voi, 2 * most, bone.shape)
        whole = size_of(box) == bone.shape
        axes = mid_axis(bone, box, planes, memory_mb, threads)
        if whole and not axes.bits.any():
            return None
        try:
            found = streamed_thickness(
                partial(_between, axes),
                axes.shape,
                None if voi is None else boxed(voi, box),
                planes,
                memory_mb,
                threads,
                step="spacing of mid-axes",
                most=None if whole else most,
            )
        except FartherThanAllowed:
            most *= 2
            continue
        return found if found.n_voxels else None


def _between(axes: BitVolume, low: int, high: int) -> Mask:
    return ~axes.read(low, high)


def ridge(square: Squares, planes: slice, threads: int = 1) -> Mask:
    """Mid-axes of some planes of a phase, from its squared distances; right where a plane more is given on either side."""
    distance = np.sqrt(square, dtype=np.float32)
    out = np.empty((planes.stop - planes.start, *square.shape[1:]), np.bool_)
    in_parts(partial(_ridge, distance, out, planes.start), len(out), threads)
    return out


@numba.njit(cache=True, nogil=True)
def _ridge(distance, out, first, low, high):
    nz, ny, nx = distance.shape
    for i in range(low, high):
        z = first + i
        for y in range(ny):
            for x in range(nx):
                here = distance[z, y, x]
                out[i, y, x] = here > 0
                if here == 0:
                    continue
                for k in range(max(0, z - 1), min(nz, z + 2)):
                    for j in range(max(0, y - 1), min(ny, y + 2)):
                        for h in range(max(0, x - 1), min(nx, x + 2)):
                            step = np.sqrt(np.float64((k - z) ** 2 + (j - y) ** 2 + (h - x) ** 2))
                            if distance[k, j, h] - here > GROWTH * step and step > 0:
                                out[i, y, x] = False
