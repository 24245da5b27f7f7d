"""What CTAn reports besides: number of objects, closed and open pores, intersection surface, trabecular pattern factor.

Objects are 26-connected parts of the bone in the volume of interest (VOI), pores 6-connected parts of what is not bone there. A pore is
closed where bone surrounds it on all sides within the VOI; what meets the VOI's border (or the metal's band) is open. The intersection
surface is the part of the VOI's own border that runs through bone. The trabecular pattern factor is the change of the bone's surface over
the change of its volume when it is dilated by a voxel: positive where bone is convex, negative where it encloses marrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from periomics.microct.boxes import box_around, crop, everything
from periomics.microct.components import parts, touching
from periomics.microct.distance import squared_distance
from periomics.microct.morphometry import Fraction
from periomics.microct.slabs import BitVolume, Reader, bounds, empty_bits, slabs
from periomics.microct.surface import Surface, surface

Mask = NDArray[np.bool_]
Row = dict[str, object]
OUTCOMES = ("obj_n", "po_n_cl", "po_cl", "po_op", "po_tot", "i_s", "tbpf")
MASKS = 2  # of the scan, kept besides


@dataclass(frozen=True)
class Ctan:
    """Objects, all and from a size on; closed pores and their voxels; voxels of bone and VOI; intersection surface (mm²); pattern factor
    (1/mm) by dilation, NaN where dilation adds nothing."""

    objects: int
    without_specks: int
    closed_pores: int
    closed: int
    bone: Fraction
    intersection: float
    pattern: float


def measure(
    seen: BitVolume,
    bone: BitVolume,
    voi: BitVolume,
    voxel_mm: float,
    *,
    plain: Surface,
    speck_voxels: float,
    planes: int,
    threads: int = 1,
) -> Ctan:
    """Measure within the VOI, by slabs of so many planes, which change nothing.

    Parameters
    ----------
    seen, bone
        Bone as segmented up to the metal, and outside its band.
    plain
        Surface of `seen` in the VOI.
    speck_voxels
        Size from which an object is no speck.
    """

    def solid(low: int, high: int) -> Mask:
        return bone.read(low, high) & voi.read(low, high)

    def pores(low: int, high: int) -> Mask:
        return ~bone.read(low, high) & voi.read(low, high)

    shape = bone.shape
    found = parts(solid, shape, 26, planes)
    space = parts(pores, shape, 6, planes)
    shut = (space.sizes > 0) & ~touching(pores, rim(voi), shape, space)
    counts = Fraction(int(found.sizes.sum()), voi.count())
    return Ctan(
        objects=int(np.count_nonzero(found.sizes)),
        without_specks=int(np.count_nonzero(found.sizes >= max(1.0, speck_voxels))),
        closed_pores=int(np.count_nonzero(shut)),
        closed=int(space.sizes[shut].sum()),
        bone=counts,
        intersection=intersection(seen, voi, voxel_mm, planes, threads),
        pattern=pattern_factor(seen, voi, voxel_mm, plain=plain, planes=planes, threads=threads),
    )


def rim(voi: BitVolume) -> Reader:
    """Planes of the voxels of the VOI that share a face with what is outside it, or with the border of the scan."""
    n = voi.shape[0]

    def read(low: int, high: int) -> Mask:
        first, last = max(0, low - 1), min(n, high + 1)
        wide = np.pad(voi.read(first, last), ((first == low, last == high), (1, 1), (1, 1)))
        inner = wide[1:-1, 1:-1, 1:-1]
        inside = wide[:-2, 1:-1, 1:-1] & wide[2:, 1:-1, 1:-1]
        inside &= wide[1:-1, :-2, 1:-1] & wide[1:-1, 2:, 1:-1]
        inside &= wide[1:-1, 1:-1, :-2] & wide[1:-1, 1:-1, 2:]
        return inner & ~inside

    return read


def intersection(
    seen: BitVolume, voi: BitVolume, voxel_mm: float, planes: int, threads: int = 1
) -> float:
    """Area (mm²) of the VOI's border in bone: of the mesh of the smoothed VOI within the scan, and of voxel faces at the scan's border."""
    box = box_around(voi, 2, seen.shape)
    near = empty_bits(seen.shape)
    _, rows, columns = everything(seen.shape)
    for low, high in slabs(box[0].stop - box[0].start, planes, ""):
        z = box[0].start + low
        some = np.zeros((high - low, seen.shape[1], seen.shape[2]), bool)
        part = (slice(z, box[0].start + high), rows, columns)
        some[:, box[1], box[2]] = crop(seen.read, part)[:, box[1], box[2]]
        near.write(z, some)
    inside = surface(voi, voxel_mm, near, planes, threads).smoothed_mesh
    return inside + _at_border(seen, voi) * voxel_mm**2


def _at_border(seen: BitVolume, voi: BitVolume) -> int:
    """Faces of bone voxels of the VOI that lie in the border of the scan."""
    n, found = seen.shape[0], 0
    for z in range(n):
        plane = (seen.read(z, z + 1) & voi.read(z, z + 1))[0]
        found += int(plane[0].sum() + plane[-1].sum() + plane[:, 0].sum() + plane[:, -1].sum())
        found += int(plane.sum()) * ((z == 0) + (z == n - 1))
    return found


def pattern_factor(
    seen: BitVolume, voi: BitVolume, voxel_mm: float, *, plain: Surface, planes: int, threads: int
) -> float:
    """Change of surface over change of volume (1/mm) when the bone is dilated by its six neighbours."""
    (first, *_), (tall, *_) = bounds(voi)
    low_end, high_end = max(0, first - 8), min(seen.shape[0], first + tall + 8)
    wider = empty_bits(seen.shape)
    before = after = 0
    for low, high in slabs(high_end - low_end, planes, "dilation"):
        a, b = low_end + low, low_end + high
        c, d = max(0, a - 1), min(seen.shape[0], b + 1)
        square = squared_distance(~seen.read(c, d), threads, 1, slice(a - c, b - c))
        mask, region = square <= 1, voi.read(a, b)
        wider.write(a, mask)
        before += int(np.count_nonzero(seen.read(a, b) & region))
        after += int(np.count_nonzero(mask & region))
    if after == before:
        return math.nan
    grown = surface(wider, voxel_mm, voi, planes, threads)
    return (plain.smoothed_mesh - grown.smoothed_mesh) / ((before - after) * voxel_mm**3)


def rows(found: Ctan, plain: Surface, voxel_mm: float, speck_um: float) -> list[Row]:
    """Rows of all these outcomes."""
    volume = voxel_mm**3
    solid, total = found.bone.bone, found.bone.total
    opened = total - solid - found.closed
    objects = "26-connected parts of the bone in the VOI"
    pores = "6-connected parts of what is not bone; closed: surrounded by bone within the VOI"

    def share(outcome: str, part: int, whole: int, text: str) -> Row:
        return {
            "outcome": outcome,
            "value": 100.0 * part / whole if whole else math.nan,
            "unit": "%",
            "numerator": part * volume,
            "denominator": whole * volume,
            "denominator_unit": "mm3",
            "method": f"{text}; {pores}",
        }

    mesh = "mesh of the mask smoothed by a Gaussian of 1 voxel"
    dilated = f"(S1 - S2) / (V1 - V2), before and after dilation by six neighbours; {mesh}"
    pattern: Row = {"outcome": "tbpf", "value": found.pattern, "unit": "1/mm", "method": dilated}
    if math.isnan(found.pattern):
        pattern |= {"qc": "fail", "qc_reason": "dilation adds no voxel in the VOI"}
    return [
        {"outcome": "obj_n", "value": float(found.objects), "unit": "1", "method": objects},
        {
            "outcome": "obj_n",
            "variant": "specks=no",
            "value": float(found.without_specks),
            "unit": "1",
            "method": f"{objects}, from a ball of {speck_um:g} um up",
        },
        {"outcome": "po_n_cl", "value": float(found.closed_pores), "unit": "1", "method": pores},
        share("po_cl", found.closed, solid + found.closed, "over bone and closed pores"),
        share("po_op", opened, total, "over the VOI"),
        share("po_tot", opened + found.closed, total, "over the VOI"),
        {
            "outcome": "i_s",
            "value": found.intersection,
            "unit": "mm2",
            "method": "border of the VOI in bone; mesh of the smoothed VOI, faces at the scan's border",
        },
        pattern,
        {
            "outcome": "tbpf",
            "variant": "method=mesh",
            "value": plain.growth,
            "unit": "1/mm",
            "method": f"change of the surface over its area as it moves along its normals; {mesh}",
        },
    ]
