"""Whether a part of a scan holds all that thickness in its VOI rests on.

The distance of a voxel to the border of its phase is right within a part if it is no longer than the way to what lies beyond
the part. A sphere counts only if it reaches the VOI. So a part is large enough if no voxel whose distance may be wrong has
a sphere that could reach the VOI. That covers spheres with a centre beyond the part as well: on the straight way from such
a centre to the VOI distances fall by at most one voxel a voxel, so where the way enters the part there is a voxel whose
sphere still reaches the VOI and passes the part's face.
"""

from __future__ import annotations

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from periomics.microct.cleanup import mid_axis
from periomics.microct.distance import squared_distance

Mask = NDArray[np.bool_]
Faces = tuple[tuple[bool, bool], ...]
# Voxels: ImageJ's clean-up looks up to sqrt(12) beyond the VOI; the rest covers the rounding of a way to whole voxels.
SLACK = 6.0


def to_edge(shape: tuple[int, ...], cut: Faces) -> NDArray[np.float32]:
    """Distance (voxels) of each voxel to the first voxel beyond a part, through its faces (before, after; z, y, x) that are cuts.

    Other faces are borders of the scan, beyond which nothing is known in the whole scan either.
    """
    nearest = np.full(shape, np.inf, np.float32)
    for axis, (n, (before, after)) in enumerate(zip(shape, cut, strict=True)):
        along = np.full(n, np.inf, np.float32)
        if before:
            along = np.minimum(along, np.arange(1, n + 1))
        if after:
            along = np.minimum(along, np.arange(n, 0, -1))
        nearest = np.minimum(nearest, np.expand_dims(along, [a for a in range(3) if a != axis]))
    return nearest


def spheres_known(
    phase: Mask, to_voi: NDArray[np.float32], edge: NDArray[np.float32], threads: int = 1
) -> bool:
    """Whether all spheres of a phase that reach the VOI are those of the whole scan.

    Parameters
    ----------
    phase
        (z, y, x) of the part.
    to_voi
        Distance (voxels) to the VOI.
    edge
        Distance (voxels) to the nearest voxel that is not known (`to_edge`).
    """
    if phase.all():
        return not np.isfinite(edge).any()
    distance = np.sqrt(squared_distance(phase, threads).astype(np.float32))
    return not ((distance > edge) & (distance >= to_voi - np.float32(SLACK))).any()


def mid_axes_known(
    bone: Mask, to_voi: NDArray[np.float32], edge: NDArray[np.float32], threads: int = 1
) -> bool:
    """Whether the spaces between mid-axes of the bone (`morphometry.mid_axis_spacing`) are those of the whole scan."""
    if not np.isfinite(edge).any():
        return True
    if bone.all():
        return False
    # A voxel is on the mid-axis by its own distance and those of its neighbours.
    distance = np.sqrt(squared_distance(bone, threads).astype(np.float32))
    unsure = bone & ndimage.binary_dilation(
        (bone & (distance > edge)) | (edge <= 1), np.ones((3, 3, 3), bool)
    )
    if unsure.any():
        edge = np.minimum(
            edge, edt.edt(np.ascontiguousarray(~unsure), black_border=False, parallel=threads)
        )
    return spheres_known(~mid_axis(bone, threads) | unsure, to_voi, edge, threads)
