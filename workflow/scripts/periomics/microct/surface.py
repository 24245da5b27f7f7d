"""Bone surface by three named methods, the plate model that follows from it, and the structure model index (SMI).

The three areas of one mask differ much (spec figures: faces of voxels exceed the mesh by 40 % on a random field; the raw
mesh exceeds a sphere by 8 to 12 %, the mesh of the smoothed mask is within 2 % at a radius of ten voxels), so a surface
is never given without its method. Only surface whose place lies in the VOI counts: the cuts that the VOI makes do not,
since the mask is looked at beyond the VOI.

The plate model takes bone for parallel plates. SMI is that of Hildebrand & Rüegsegger 1997 (CMBBE 1:15); it is
confounded by the bone fraction and by concave surface (Salmon 2015, 10.3389/fendo.2015.00162) and only shown with both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from periomics.microct.boxes import box_around, crop, size_of
from periomics.microct.mesh import layer_sums, mask_layer_areas
from periomics.microct.slabs import BitVolume, slabs

Mask = NDArray[np.bool_]
# Gaussian (voxels) before the mesh, and voxels around the VOI that it and normals look at.
SMOOTHING = 1.0
MARGIN = 6


@dataclass(frozen=True)
class Surface:
    """Bone surface in the VOI, mm²: mesh of the smoothed mask, mesh of the mask, faces of voxels; and the SMI of the first.

    `concave_share` is the share of the surface that shrinks when the bone grows, `growth` (1/mm) the change of its area, as a share of
    it, as it moves outwards: 2/r on a sphere; SMI, share and growth are NaN without surface.
    """

    smoothed_mesh: float
    raw_mesh: float
    faces: float
    smi: float
    concave_share: float
    growth: float


@dataclass(frozen=True)
class PlateModel:
    """Tb.Th (mm), Tb.N (1/mm), Tb.Sp (mm) that parallel plates of the same BS/BV and BV/TV would have."""

    thickness: float
    number: float
    separation: float


def surface(
    bone: BitVolume,
    voxel_mm: float,
    voi: BitVolume | None = None,
    planes: int = 64,
    threads: int = 1,
) -> Surface:
    """Bone surface in the VOI by three methods, and SMI.

    Parameters
    ----------
    bone
        (z, y, x), also outside the VOI, so that the VOI's cuts are not taken for surface.
    voxel_mm
        Edge of a voxel.
    voi
        Where surface counts; the whole if not given.
    planes
        Planes of a slab; sums are kept for each layer of cells and added in their order, so they change nothing.
    """
    box = box_around(voi, MARGIN, bone.shape)
    start, nz = box[0].start, size_of(box)[0]
    smooth, raw = np.zeros((max(0, nz - 1), 3)), np.zeros(max(0, nz - 1))
    n_faces = volume = 0
    for low, high in slabs(nz, planes, "surface"):
        first, last = max(0, low - MARGIN), min(nz, high + MARGIN)
        seen = (slice(start + first, start + last), *box[1:])
        mask = crop(bone.read, seen)
        region = np.ones(mask.shape, bool) if voi is None else crop(voi.read, seen)
        layers = slice(low, min(high, nz - 1))
        smooth[layers], raw[layers], more_faces, more = layers_of_surface(
            mask, region, low - first, high - first, threads
        )
        n_faces, volume = n_faces + more_faces, volume + more
    return from_layers(smooth, raw, n_faces, volume, voxel_mm)


def layers_of_surface(
    bone: Mask, voi: Mask, low: int, high: int, threads: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64], int, int]:
    """What surface and SMI are made of, for planes low to high of a block that reaches MARGIN beyond them (or to the border).

    Returns
    -------
    For each layer of cells above these planes: area of the smoothed mesh, its change when it is moved outwards and the part of it
    that shrinks (n, 3); area of the mesh of the mask. Faces of voxels; voxels of the smoothed mask. In voxels, all in the VOI.
    """
    smooth = ndimage.gaussian_filter(bone.astype(np.float32), SMOOTHING, mode="nearest")
    top = min(high, len(bone) - 1)
    core = slice(low, high)
    return (
        layer_sums(smooth, voi, low, top, threads),
        mask_layer_areas(bone, voi, low, top, threads),
        faces(bone, voi, low, high),
        int(np.count_nonzero((smooth[core] >= 0.5) & voi[core])),
    )


def from_layers(
    smooth: NDArray[np.float64],
    raw: NDArray[np.float64],
    n_faces: int,
    volume: int,
    voxel_mm: float,
) -> Surface:
    """Surface and SMI from the sums of all layers (`layers_of_surface`), added in their order.

    SMI is 6 S' V / S², S' from the surface moved along its normals, V of the body in it.
    """
    area, change, concave = (math.fsum(column) for column in smooth.T)
    smi, share = (
        (6 * change * volume / area**2, concave / area) if area else (float("nan"), float("nan"))
    )
    return Surface(
        smoothed_mesh=area * voxel_mm**2,
        raw_mesh=math.fsum(raw) * voxel_mm**2,
        faces=n_faces * voxel_mm**2,
        smi=smi,
        concave_share=share,
        growth=change / area / voxel_mm if area else float("nan"),
    )


def plate_model(bv_tv: float, bs_bv: float) -> PlateModel:
    """Parfitt's plate model from BV/TV (a share) and BS/BV (1/mm); NaN without bone or surface."""
    if not (bv_tv > 0 and bs_bv > 0):
        return PlateModel(float("nan"), float("nan"), float("nan"))
    thickness = 2.0 / bs_bv
    number = bv_tv / thickness
    return PlateModel(thickness, number, 1.0 / number - thickness)


def faces(bone: Mask, voi: Mask, low: int = 0, high: int | None = None) -> int:
    """Faces between bone voxels of the VOI in planes low to high and neighbours that are not bone; none at the array's border."""
    high = len(bone) if high is None else high
    layer, inside = bone[low:high], bone[low:high] & voi[low:high]
    above, below = min(high, len(bone) - 1), max(low, 1)
    count = np.count_nonzero(inside[: above - low] & ~bone[low + 1 : above + 1])
    count += np.count_nonzero(inside[below - low :] & ~bone[below - 1 : high - 1])
    for a, b in (
        (inside[:, :-1], layer[:, 1:]),
        (inside[:, 1:], layer[:, :-1]),
        (inside[..., :-1], layer[..., 1:]),
        (inside[..., 1:], layer[..., :-1]),
    ):
        count += np.count_nonzero(a & ~b)
    return int(count)
