"""Where around the implant is measured: distance shells behind a declared exclusion band, and a range along its axis.

The first voxels at metal are unusable (Liu 2011, J Microsc 245:34: 48 µm at 16 µm voxels); the band is declared and
never measured. What is read in a thin shell behind the band is OV/TV of that offset and width, not bone-implant contact.
"""

from __future__ import annotations

from dataclasses import dataclass

import edt
import numpy as np
from numpy.typing import NDArray

from periomics.microct.settings import Voi
from periomics.study.errors import SpecimenError

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Axis:
    """The implant's long axis in voxel coordinates (z, y, x): `apex` and `head` lie on it, `direction` points to the head."""

    apex: NDArray[np.float64]
    head: NDArray[np.float64]
    direction: NDArray[np.float64]

    @property
    def length(self) -> float:
        """Length in voxels, between the centres of the last voxels."""
        return float(np.linalg.norm(self.head - self.apex))

    @property
    def tilt_degrees(self) -> float:
        """Angle to the z axis."""
        return float(np.degrees(np.arccos(min(1.0, abs(self.direction[0])))))


def implant_axis(implant: Mask, apex: str = "high_z") -> Axis:
    """Long axis by principal components of the implant's voxels.

    Parameters
    ----------
    implant
        (z, y, x) mask.
    apex
        Which end sits in the bone: `high_z` or `low_z`.

    Raises
    ------
    SpecimenError
        If the metal has no long axis (largest variance less than 1.5 times the next): a lump or a plate.
    """
    points = np.argwhere(implant).astype(float)
    centre = points.mean(axis=0)
    centred = points - centre
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(points))
    if variances[2] < 1.5 * variances[1]:
        raise SpecimenError(f"the metal has no long axis (variances {variances[1]:.3g} and {variances[2]:.3g} voxels²)")
    direction = vectors[:, 2]
    upwards = direction[0] < 0 if apex == "high_z" else direction[0] > 0
    direction = direction if upwards else -direction
    along = centred @ direction
    return Axis(centre + along.min() * direction, centre + along.max() * direction, direction)


def distance_um(implant: Mask, voxel_um: float, threads: int = 1) -> NDArray[np.float32]:
    """Distance (µm) from each voxel centre to the nearest implant voxel centre; 0 inside."""
    return edt.edt(np.ascontiguousarray(~implant), black_border=False, parallel=threads) * np.float32(voxel_um)


def height_um(shape: tuple[int, int, int], axis: Axis, voxel_um: float) -> NDArray[np.float32]:
    """Position of each voxel along the axis, µm, 0 at the apex, rising towards the head."""
    z, y, x = (np.arange(n, dtype=np.float64) for n in shape)
    d, a = axis.direction, axis.apex
    along = ((z - a[0]) * d[0])[:, None, None] + ((y - a[1]) * d[1])[:, None] + (x - a[2]) * d[2]
    return (along * voxel_um).astype(np.float32)


def shell(
    distance: NDArray[np.float32], low_um: float, high_um: float, height: NDArray[np.float32] | None, voi: Voi
) -> Mask:
    """Voxels with `low < distance <= high`, within the VOI's range along the axis.

    A tolerance of a thousandth of a micrometre keeps voxels that lie on a shell's face on the inner side on every
    machine.
    """
    mask = (distance > low_um + 1e-3) & (distance <= high_um + 1e-3)
    if voi.axial_um is not None and height is not None:
        mask &= (height >= voi.axial_um[0]) & (height <= voi.axial_um[1])
    return mask
