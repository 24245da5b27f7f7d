"""Cortical and trabecular compartments by two surfaces, and cortical morphometry.

After the dual-threshold method of Buie et al. 2007 (Bone) [from memory]: the outer (periosteal) surface by closing the bone
and filling what it encloses; the inner (endosteal) surface from the marrow inside it: pores of the cortex are removed from
the marrow by opening, its largest part is kept, and closing it takes the trabeculae in. Steps and radii are declared here
and not those of the paper in every detail. Balls by exact distances; what lies beyond the scan is neither bone nor marrow.

For a whole bone that stands roughly along z, without an implant: areas are means over slices.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from periomics.microct import morphometry
from periomics.microct.settings import Settings
from periomics.study.errors import SpecimenError

Mask = NDArray[np.bool_]
ROUNDING = 1.5  # voxels
Row = dict[str, object]
UNITS = {"ct_th": "mm", "ct_ar": "mm2", "tt_ar": "mm2", "ct_ar_tt_ar": "%", "porosity": "%"}
OUTCOMES = tuple(UNITS)


@dataclass(frozen=True)
class Compartments:
    """Masks (z, y, x): cortex with its pores, and the medullary space with trabeculae."""

    cortical: Mask
    trabecular: Mask


def split(bone: Mask, settings: Settings, voxel_um: float, threads: int = 1) -> Compartments:
    """Cortical and trabecular compartment of a bone.

    Raises
    ------
    SpecimenError
        If there is no marrow inside the bone or no cortex around it.
    """
    outer = _filled(_largest(close(bone, settings.cortical_close_um / voxel_um, threads), 26))
    # Closing and opening round corners by a voxel; what they leave between a surface and the bone is no pore.
    outer &= bone | (_distance(outer, threads) > ROUNDING)
    marrow = open_(outer & ~bone, settings.cortical_pore_um / voxel_um, threads)
    if not marrow.any():
        raise SpecimenError("no medullary space is left inside the bone: cortical_pore_um and scan do not fit")
    inner = close(_largest(marrow, 6), settings.trabecular_close_um / voxel_um, threads) & outer
    inner |= outer & ~bone & (_distance(~inner, threads) <= ROUNDING)
    cortical = outer & ~inner
    if not (cortical & bone).any():
        raise SpecimenError("no cortex is left around the medullary space: trabecular_close_um and scan do not fit")
    return Compartments(cortical, inner)


def cortical_rows(bone: Mask, parts: Compartments, voxel_mm: float, threads: int = 1) -> list[Row]:
    """Ct.Th, Ct.Ar, Tt.Ar, their ratio, Ct.Po, and BV/TV of the trabecular compartment."""
    cortical = parts.cortical
    pores = int(np.count_nonzero(cortical & ~bone))
    volume = int(np.count_nonzero(cortical))
    whole = volume + int(np.count_nonzero(parts.trabecular))
    slices = int((cortical | parts.trabecular).any(axis=(1, 2)).sum())
    area = voxel_mm**2 / slices
    method = "dual threshold after Buie 2007 [from memory]"
    found = morphometry.thickness(cortical, cortical, voxel_mm, None, threads)
    trabecular = morphometry.fraction(bone, parts.trabecular)
    cube = voxel_mm**3
    rows: list[Row] = [
        {"outcome": "ct_ar", "value": (volume - pores) * area, "unit": "mm2", "method": f"{method}; mean over {slices} slices"},
        {"outcome": "tt_ar", "value": whole * area, "unit": "mm2", "method": f"{method}; mean over {slices} slices"},
        {"outcome": "ct_ar_tt_ar", "value": 100.0 * (volume - pores) / whole, "unit": "%", "method": method,
         "numerator": (volume - pores) * cube, "denominator": whole * cube, "denominator_unit": "mm3"},
        {"outcome": "porosity", "value": 100.0 * pores / volume, "unit": "%", "method": f"{method}; all pores of the cortex",
         "numerator": pores * cube, "denominator": volume * cube, "denominator_unit": "mm3"},
        {"outcome": "bvtv", "variant": "compartment=trabecular", "value": trabecular.percent, "unit": "%", "method": method,
         "numerator": trabecular.bone * cube, "denominator": trabecular.total * cube, "denominator_unit": "mm3"},
    ]  # fmt: skip
    thick: Row = {"outcome": "ct_th", "unit": "mm", "method": f"{method}; local thickness of the cortex, pores filled"}
    failed = {"qc": "fail", "qc_reason": "the cortex has no border in the scan"}
    return [{**thick, "value": found.mean} if found else {**thick, **failed}, *rows]


def missing_rows(reason: str) -> list[Row]:
    """Rows of what was not measured."""
    return [{"outcome": o, "unit": unit, "qc": "fail", "qc_reason": reason} for o, unit in UNITS.items()]


def close(mask: Mask, radius: float, threads: int = 1) -> Mask:
    """Closing by a ball (voxels); padded, so that the border of the scan does not wear the mask away."""
    if radius <= 0 or not mask.any():
        return mask
    pad = int(np.ceil(radius)) + 1
    padded = np.pad(mask, pad, mode="edge")
    inner = tuple(slice(pad, -pad) for _ in range(3))
    grown = _distance(~padded, threads) <= radius
    return (_distance(grown, threads) > radius)[inner] | mask if not grown.all() else np.ones_like(mask)


def open_(mask: Mask, radius: float, threads: int = 1) -> Mask:
    """Opening by a ball (voxels)."""
    if radius <= 0 or not mask.any() or mask.all():
        return mask
    core = _distance(mask, threads) > radius
    return (_distance(~core, threads) <= radius) & mask if core.any() else core


def _distance(mask: Mask, threads: int) -> NDArray[np.float32]:
    return edt.edt(np.ascontiguousarray(mask), black_border=False, parallel=threads)


def _largest(mask: Mask, neighbours: int) -> Mask:
    labels = cc3d.connected_components(mask, connectivity=neighbours)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels == sizes.argmax() if len(sizes) > 1 else mask


def _filled(mask: Mask) -> Mask:
    """Holes of every slice across z filled."""
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])
