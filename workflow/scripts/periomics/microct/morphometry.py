"""Bone morphometry inside a volume of interest (VOI).

Names and units after Bouxsein 2010 (J Bone Miner Res 25:1468, 10.1002/jbmr.141); thickness after Hildebrand &
Rüegsegger 1997 (J Microsc 185:67).
"""

from __future__ import annotations

from dataclasses import dataclass

import edt
import numpy as np
from numpy.typing import NDArray

from periomics.microct.cleanup import bonej_thickness, mid_axis
from periomics.microct.thickness import local_thickness, squared_distance

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Fraction:
    """Counts of voxels: bone in the VOI, the VOI."""

    bone: int
    total: int

    @property
    def percent(self) -> float:
        """BV/TV, %; NaN in an empty VOI."""
        return 100.0 * self.bone / self.total if self.total else float("nan")


@dataclass(frozen=True)
class Thickness:
    """Local thickness of one phase over the VOI, mm, and the map it comes from (voxels, right in the VOI).

    `clipped_share` is the share of averaged voxels whose largest sphere meets the border of the scan or the metal
    zone: that sphere might be larger, or not be there, if more of the phase could be seen.
    """

    mean: float
    sd: float
    maximum: float
    n_voxels: int
    clipped_share: float
    map_voxels: NDArray[np.float32]
    bonej_mean: float | None = None
    bonej_sd: float | None = None


def fraction(bone: Mask, voi: Mask) -> Fraction:
    """Count bone and all voxels of the VOI."""
    return Fraction(int(np.count_nonzero(bone & voi)), int(np.count_nonzero(voi)))


def thickness(
    phase: Mask,
    voi: Mask,
    voxel_mm: float,
    metal_zone: Mask | None = None,
    threads: int = 1,
    bonej: bool = False,
) -> Thickness | None:
    """Mean local thickness of a phase over its voxels in the VOI.

    Parameters
    ----------
    phase
        (z, y, x): bone for Tb.Th, marrow for Tb.Sp, over the whole scan: distances see what lies outside the VOI,
        only the averaging is restricted.
    voi
        Voxels to average over.
    voxel_mm
        Edge of a voxel.
    metal_zone
        Implant and exclusion band: belongs to neither phase, so it bounds the spheres of both.
    bonej
        Also mean and standard deviation of the map as ImageJ's plugin leaves it.

    Returns
    -------
    None where the phase has no voxel in the VOI, or no border anywhere (no thickness is defined).
    """
    inside = phase & voi
    if not inside.any() or phase.all():
        return None
    square = squared_distance(phase, threads)
    to_voi = _to_voi(voi, threads)
    reaching = square >= to_voi
    sizes = local_thickness(inside, threads, square, reaching)
    values = sizes[inside].astype(np.float64) * voxel_mm
    free = square < _border_square(phase.shape, metal_zone, threads)
    clipped = float(
        np.mean(local_thickness(inside, threads, square, free & reaching)[inside] < sizes[inside])
    )
    other = (
        bonej_thickness(phase, square, threads, to_voi)[inside].astype(np.float64) * voxel_mm
        if bonej
        else None
    )
    return Thickness(
        mean=float(values.mean()),
        sd=float(values.std()),
        maximum=float(values.max()),
        n_voxels=int(values.size),
        clipped_share=clipped,
        map_voxels=sizes,
        bonej_mean=None if other is None else float(other.mean()),
        bonej_sd=None if other is None else float(other.std()),
    )


def mid_axis_spacing(bone: Mask, voi: Mask, voxel_mm: float, threads: int = 1) -> float | None:
    """Mean local thickness (mm) of what lies between the mid-axes of the bone, over the VOI; None without mid-axes.

    Its inverse is the trabecular number of Scanco's IPL. Plates P voxels apart give P - 2 to P, since
    mid-axes are one or two voxels wide.
    """
    between = ~mid_axis(bone, threads)
    inside = between & voi
    if between.all() or not inside.any():
        return None
    square = squared_distance(between, threads)
    sizes = local_thickness(inside, threads, square, square >= _to_voi(voi, threads))
    return float(sizes[inside].mean(dtype=np.float64)) * voxel_mm


def _to_voi(voi: Mask, threads: int) -> NDArray[np.float32]:
    """Squared distance (voxels²) to the VOI: a sphere that does not reach it changes nothing there and need not be painted."""
    if voi.all():
        return np.zeros(voi.shape, np.float32)
    return edt.edtsq(np.ascontiguousarray(~voi), black_border=False, parallel=threads)


def _border_square(
    shape: tuple[int, ...], metal_zone: Mask | None, threads: int
) -> NDArray[np.float32]:
    """Squared distance (voxels²) to the first layer beyond the scan, or to the metal zone if that is nearer."""
    edges = [np.minimum(np.arange(n) + 1, n - np.arange(n)) for n in shape]
    nearest = (
        np.minimum(np.minimum(edges[0][:, None, None], edges[1][:, None]), edges[2]).astype(
            np.float32
        )
        ** 2
    )
    if metal_zone is not None and metal_zone.any():
        zone = edt.edtsq(np.ascontiguousarray(~metal_zone), black_border=False, parallel=threads)
        nearest = np.minimum(nearest, zone)
    return nearest
