"""Cortical and trabecular compartments by two surfaces, and cortical morphometry.

A dual-threshold method: the outer (periosteal) surface by closing the bone
and filling what it encloses; the inner (endosteal) surface from the marrow inside it: pores of the cortex are removed from
the marrow by opening, its largest part is kept, and closing it takes the trabeculae in. Steps and radii are declared here
and not those of the paper in every detail. Balls by exact distances; what lies beyond the scan is neither bone nor marrow.

For a whole bone that stands roughly along z, without an implant: areas are means over slices. All steps go by slabs of masks
that are kept as bits, for a scan at hand and for one larger than memory: the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np

from periomics.core.errors import SpecimenError
from periomics.microct import balls
from periomics.microct.components import largest_part
from periomics.microct.morphometry import Fraction
from periomics.microct.slabs import TOO_LITTLE, BitVolume, Mask, Shape, slabs
from periomics.microct.streamed_thickness import streamed_thickness
from periomics.study.settings.microct import Microct

ROUNDING = 1.5  # voxels
METHOD = "dual threshold"
TRABECULAR = "compartment=trabecular"
Row = dict[str, object]
UNITS = {"ct_th": "mm", "ct_ar": "mm2", "tt_ar": "mm2", "ct_ar_tt_ar": "%", "porosity": "%"}
OUTCOMES = tuple(UNITS)
# Masks that `split` keeps at a time, besides the bone.
MASKS = 4


@dataclass(frozen=True)
class Compartments:
    """Masks (z, y, x): all within the outer surface, and of it the medullary space with trabeculae."""

    outer: BitVolume
    trabecular: BitVolume

    def cortical(self, low: int, high: int) -> Mask:
        """Planes low to high (exclusive) of the cortex with its pores."""
        return self.outer.read(low, high) & ~self.trabecular.read(low, high)


@dataclass(frozen=True)
class Counts:
    """Voxels of the cortex and of its pores, of the trabecular compartment and of bone in it; slices that hold any of them."""

    cortical: int
    pores: int
    trabecular: int
    trabecular_bone: int
    slices: int


def measure(
    bone: BitVolume,
    settings: Microct,
    voxel_um: float,
    memory_mb: float | None = None,
    planes: int = 64,
    threads: int = 1,
) -> list[Row]:
    """Rows of the compartments of a bone.

    Parameters
    ----------
    bone
        Of the whole scan.
    memory_mb
        Memory for the work, the masks as bits not counted; no limit if not given. Where it is too little rows say so.
    settings, voxel_um, planes, threads
        As `split`.

    Raises
    ------
    SpecimenError
        As `split`.
    """
    if memory_mb is not None:
        try:
            planes = min(planes, fitting_planes(memory_mb, bone.shape, settings, voxel_um))
        except ValueError as error:
            return missing_rows(f"{TOO_LITTLE}: {error}")
    parts = split(bone, settings, voxel_um, planes, threads)
    rows = area_rows(count(bone, parts, planes), voxel_um / 1000)
    return [_thickness_row(parts, voxel_um / 1000, memory_mb, threads), *rows]


def fitting_planes(memory_mb: float, shape: Shape, settings: Microct, voxel_um: float) -> int:
    """Planes of a slab of `split` within the memory; raises ValueError as `slabs.planes_for`."""
    radii = (settings.cortical_close_um, settings.cortical_pore_um, settings.trabecular_close_um)
    return balls.planes_for(memory_mb, shape, max(ROUNDING, max(radii) / voxel_um))


def split(
    bone: BitVolume, settings: Microct, voxel_um: float, planes: int = 64, threads: int = 1
) -> Compartments:
    """Cortical and trabecular compartment of a bone.

    Parameters
    ----------
    bone
        (z, y, x).
    settings
        Radii of the steps.
    voxel_um
        Edge of a voxel.
    planes
        Planes of a slab; the result does not depend on it.
    threads
        Threads of the distances; the result does not depend on it.

    Raises
    ------
    SpecimenError
        If there is no marrow inside the bone or no cortex around it.
    """
    outer = _outer(bone, settings.cortical_close_um / voxel_um, planes, threads)

    def outside_bone(low: int, high: int) -> Mask:
        return outer.read(low, high) & ~bone.read(low, high)

    marrow = balls.open_(
        outside_bone, bone.shape, settings.cortical_pore_um / voxel_um, planes, threads
    )
    if not marrow.bits.any():
        raise SpecimenError(
            "no medullary space is left inside the bone: cortical_pore_um and scan do not fit"
        )
    marrow = largest_part(marrow.read, bone.shape, 6, planes)
    inner = _inner(bone, outer, marrow, settings.trabecular_close_um / voxel_um, planes, threads)
    parts = Compartments(outer, inner)
    if not any(
        (parts.cortical(a, b) & bone.read(a, b)).any()
        for a, b in slabs(bone.shape[0], planes, "cortex")
    ):
        raise SpecimenError(
            "no cortex is left around the medullary space: trabecular_close_um and scan do not fit"
        )
    return parts


def _outer(bone: BitVolume, radius: float, planes: int, threads: int) -> BitVolume:
    """What the outer surface of a bone encloses."""
    shape, n = bone.shape, bone.shape[0]
    closed = largest_part(
        balls.close(bone.read, shape, radius, planes, threads).read, shape, 26, planes
    )
    for low, high in slabs(n, planes, "fill slices"):
        closed.write(low, np.stack([fill_holes(plane) for plane in closed.read(low, high)]))

    # Closing and opening round corners by a voxel; what they leave between a surface and the bone is no pore.
    def pared(low: int, high: int) -> Mask:
        mask = closed.read(low, high)
        return mask & (
            bone.read(low, high) | balls.core(closed.read, n, low, high, ROUNDING, threads)
        )

    return balls.filled(shape, planes, "outer surface", pared)


def _inner(
    bone: BitVolume, outer: BitVolume, marrow: BitVolume, radius: float, planes: int, threads: int
) -> BitVolume:
    """What the inner surface encloses: the marrow closed, and what rounding leaves between it and the bone."""
    closed = balls.close(marrow.read, bone.shape, radius, planes, threads)
    closed.bits[:] &= outer.bits

    def widened(low: int, high: int) -> Mask:
        free = outer.read(low, high) & ~bone.read(low, high)
        return closed.read(low, high) | (
            free & balls.near(closed.read, bone.shape[0], low, high, ROUNDING, threads)
        )

    return balls.filled(bone.shape, planes, "inner surface", widened)


def fill_holes(plane: Mask) -> Mask:
    """Holes of a slice across z filled: background from which no way along rows and columns leads to its border."""
    labels = cc3d.connected_components(~plane, connectivity=4)
    open_ = np.zeros(int(labels.max(initial=0)) + 1, bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        open_[edge] = True
    open_[0] = False  # the mask itself
    return ~open_[labels]


def count(bone: BitVolume, parts: Compartments, planes: int = 64) -> Counts:
    """Voxels of the compartments."""
    found = np.zeros(5, np.int64)
    for low, high in slabs(bone.shape[0], planes, "count compartments"):
        mask, cortical, inner = (
            bone.read(low, high),
            parts.cortical(low, high),
            parts.trabecular.read(low, high),
        )
        voxels = [np.count_nonzero(m) for m in (cortical, cortical & ~mask, inner, inner & mask)]
        found += [*voxels, np.count_nonzero((cortical | inner).any(axis=(1, 2)))]
    return Counts(*found.tolist())


def area_rows(found: Counts, voxel_mm: float) -> list[Row]:
    """Ct.Ar, Tt.Ar, their ratio, Ct.Po, and BV/TV of the trabecular compartment."""
    volume, pores = found.cortical, found.pores
    whole, cube = volume + found.trabecular, voxel_mm**3
    area, trabecular = voxel_mm**2 / found.slices, Fraction(found.trabecular_bone, found.trabecular)
    means = f"{METHOD}; mean over {found.slices} slices"
    return [
        {"outcome": "ct_ar", "value": (volume - pores) * area, "unit": "mm2", "method": means},
        {"outcome": "tt_ar", "value": whole * area, "unit": "mm2", "method": means},
        {
            "outcome": "ct_ar_tt_ar",
            "value": 100.0 * (volume - pores) / whole,
            "unit": "%",
            "method": METHOD,
            "numerator": (volume - pores) * cube,
            "denominator": whole * cube,
            "denominator_unit": "mm3",
        },
        {
            "outcome": "porosity",
            "value": 100.0 * pores / volume,
            "unit": "%",
            "method": f"{METHOD}; all pores of the cortex",
            "numerator": pores * cube,
            "denominator": volume * cube,
            "denominator_unit": "mm3",
        },
        {
            "outcome": "bvtv",
            "variant": TRABECULAR,
            "value": trabecular.percent,
            "unit": "%",
            "method": METHOD,
            "numerator": trabecular.bone * cube,
            "denominator": trabecular.total * cube,
            "denominator_unit": "mm3",
        },
    ]


def _thickness_row(
    parts: Compartments, voxel_mm: float, memory_mb: float | None, threads: int
) -> Row:
    """Ct.Th. The cortex always has a border, since a medullary space was found."""
    row: Row = {
        "outcome": "ct_th",
        "unit": "mm",
        "method": f"{METHOD}; local thickness of the cortex, pores filled",
    }
    shape = parts.outer.shape
    at_once = {"planes": shape[0]} if memory_mb is None else {"memory_mb": memory_mb}
    try:
        found = streamed_thickness(
            parts.cortical, shape, threads=threads, step="thickness of the cortex", **at_once
        )
    except ValueError as error:
        return {**row, "qc": "fail", "qc_reason": f"{TOO_LITTLE}: {error}"}
    return {**row, "value": found.mean * voxel_mm}


def missing_rows(reason: str) -> list[Row]:
    """Rows of what was not measured."""
    failed: Row = {"qc": "fail", "qc_reason": reason}
    rows: list[Row] = [{"outcome": o, "unit": unit, **failed} for o, unit in UNITS.items()]
    return [*rows, {"outcome": "bvtv", "variant": TRABECULAR, "unit": "%", **failed}]
