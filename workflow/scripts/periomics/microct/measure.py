"""One scan in, all its micro-CT measurements and label maps out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.microct import morphometry
from periomics.microct.periimplant import Axis, distance_um, height_um, implant_axis, shell
from periomics.microct.readers import Spacing
from periomics.microct.segment import grey_warnings, segment_bone, segment_implant, smooth
from periomics.microct.settings import Settings
from periomics.study.errors import SpecimenError
from periomics.study.measurements import tidy

Mask = NDArray[np.bool_]
OUTCOMES = ("bvtv", "bv", "tv", "tbth", "tbth_sd", "tbsp", "tbsp_sd", "ovtv")
# Codes of labels.nii.gz
LABELS = {"outside": 0, "implant": 1, "exclusion band": 2, "bone in VOI": 3, "marrow in VOI": 4, "bone outside VOI": 5}
ISOTROPY = 0.01


@dataclass(frozen=True)
class Regions:
    """Masks (z, y, x) of a scan: implant, zone (implant and exclusion band), VOI; geometry is None without an implant."""

    implant: Mask
    zone: Mask
    voi: Mask
    distance: NDArray[np.float32] | None
    height: NDArray[np.float32] | None
    axis: Axis | None


@dataclass(frozen=True)
class Measured:
    """Measurements table, label map (codes in LABELS), bone thickness (mm, in the VOI), and the regions."""

    table: pd.DataFrame
    labels: NDArray[np.uint8]
    thickness_mm: NDArray[np.float32]
    regions: Regions
    voxel_um: float
    warnings: tuple[str, ...]


def outcomes(settings: Settings) -> tuple[str, ...]:
    """Outcomes that a scan gives: OV/TV needs an implant."""
    return OUTCOMES if settings.implant == "required" else OUTCOMES[:-1]


def isotropic_voxel(spacing_um: Spacing) -> float:
    """Edge (µm) of the cube that has the voxel's volume.

    Raises
    ------
    SpecimenError
        If the edges differ by more than 1 %: spheres and shells need cubes, and resampling would be a choice about the
        data, so such scans are refused.
    """
    if max(spacing_um) > (1 + ISOTROPY) * min(spacing_um):
        edges = " x ".join(f"{s:.6g}" for s in spacing_um)
        raise SpecimenError(f"voxels are not cubes ({edges} um, z x y x x): resample the scan to cubes first")
    return float(np.prod(spacing_um) ** (1 / 3))


def measure(
    grey: NDArray, spacing_um: Spacing, settings: Settings, common: Mapping[str, object], threads: int = 1
) -> Measured:
    """Measure a scan.

    Parameters
    ----------
    grey
        (z, y, x) grey values.
    spacing_um
        Voxel size (z, y, x), µm.
    settings
        What decides the measurement, the same for all scans of a study.
    common
        Columns that hold for all rows: specimen_id, animal_id, time and so on; nothing about arms is needed.
    threads
        Threads for distances and painting; results do not depend on it.

    Raises
    ------
    SpecimenError
        If the scan cannot be measured: no implant, several, no long axis, empty VOI, no bone or only bone in the VOI,
        grey values that are not finite, or voxels that are not cubes.
    """
    voxel_um = isotropic_voxel(spacing_um)
    if grey.dtype.kind == "f" and not np.isfinite(grey).all():
        raise SpecimenError("the scan holds grey values that are not finite")
    regions = find_regions(grey, voxel_um, settings, threads)
    smoothed = smooth(grey, settings.prefilter_sigma_voxels)
    bone = segment_bone(smoothed, settings.bone_threshold, regions.zone)
    counts = morphometry.fraction(bone, regions.voi)
    if counts.bone in (0, counts.total):
        what = "no bone" if counts.bone == 0 else "nothing but bone"
        raise SpecimenError(
            f"{what} in the VOI at threshold {settings.bone_threshold:g}: threshold and scan do not fit"
        )
    warnings = grey_warnings(grey, regions.zone, settings) + _geometry_warnings(regions)
    rows = _fractions(smoothed, bone, regions, voxel_um, settings)
    thick_rows, thickness_mm = _thicknesses(bone, regions, voxel_um, settings, threads)
    rows += thick_rows
    table = _table(rows, warnings, settings, common)
    return Measured(table, label_map(bone, regions), thickness_mm, regions, voxel_um, tuple(warnings))


def find_regions(grey: NDArray, voxel_um: float, settings: Settings, threads: int = 1) -> Regions:
    """Implant, exclusion band and VOI of a scan; raises SpecimenError if the VOI is empty."""
    if settings.implant == "none":
        nothing = np.zeros(grey.shape, bool)
        return Regions(nothing, nothing, np.ones(grey.shape, bool), None, None, None)
    implant = segment_implant(grey, settings)
    axis = implant_axis(implant, settings.voi.apex)
    distance = distance_um(implant, voxel_um, threads)
    height = height_um(grey.shape, axis, voxel_um)
    voi = shell(distance, settings.voi.inner_um, settings.voi.outer_um, height, settings.voi)
    if not voi.any():
        raise SpecimenError("the VOI is empty: no voxel of the scan lies in the declared shell around the implant")
    return Regions(implant, distance <= settings.voi.inner_um + 1e-3, voi, distance, height, axis)


def label_map(bone: Mask, regions: Regions) -> NDArray[np.uint8]:
    """Label map with the codes of LABELS."""
    labels = np.zeros(bone.shape, np.uint8)
    labels[bone] = LABELS["bone outside VOI"]
    labels[regions.voi] = LABELS["marrow in VOI"]
    labels[regions.voi & bone] = LABELS["bone in VOI"]
    labels[regions.zone] = LABELS["exclusion band"]
    labels[regions.implant] = LABELS["implant"]
    return labels


def _fractions(
    smoothed: NDArray, bone: Mask, regions: Regions, voxel_um: float, settings: Settings
) -> list[dict[str, object]]:
    """BV, TV, BV/TV, OV/TV with their shell, offset and threshold variants."""
    volume = (voxel_um / 1000) ** 3
    total = morphometry.fraction(bone, regions.voi)
    rows: list[dict[str, object]] = [
        {"outcome": "bv", "value": total.bone * volume, "unit": "mm3"},
        {"outcome": "tv", "value": total.total * volume, "unit": "mm3"},
        _share("bvtv", "", total, volume),
    ]
    parts: list[tuple[str, str, Mask, str]] = []
    if regions.distance is not None:
        parts = _shells(regions, settings)
        # shells that reach into the exclusion band show what the artefact does there, so they see unmasked grey values
        seen = segment_bone(smoothed, settings.bone_threshold)
        rows += [_share(o, v, morphometry.fraction(seen, mask), volume, note) for o, v, mask, note in parts]
    for sign in (-1, 1) if settings.sweep_percent else ():
        moved = replace(settings, bone_threshold=settings.bone_threshold * (1 + sign * settings.sweep_percent / 100))
        other = segment_bone(smoothed, moved.bone_threshold)
        variant = f"threshold={sign * settings.sweep_percent:+g}%"
        note = f"bone >= {moved.bone_threshold:g}"
        rows.append(_share("bvtv", variant, morphometry.fraction(other, regions.voi), volume, note))
        rows += [_share(o, variant, morphometry.fraction(other, m), volume, note) for o, v, m, _ in parts[:1]]
    return rows


def _shells(regions: Regions, settings: Settings) -> list[tuple[str, str, Mask, str]]:
    """(outcome, variant, mask, note): the default OV/TV shell first, then its curve over offsets, then BV/TV shells."""
    width = settings.ovtv_width_um

    def cut(low: float, high: float) -> Mask:
        return shell(regions.distance, low, high, regions.height, settings.voi)

    at = settings.ovtv_offset_um
    found = [("ovtv", "", cut(at, at + width), f"offset {at:g} um, width {width:g} um")]
    for at in settings.ovtv_curve_um:
        variant = f"offset={at:g}um,width={width:g}um"
        found.append(("ovtv", variant, cut(at, at + width), f"offset {at:g} um, width {width:g} um"))
    for low, high in settings.shells_um:
        found.append(("bvtv", f"shell={low:g}-{high:g}um", cut(low, high), f"shell {low:g}-{high:g} um"))
    return found


def _share(
    outcome: str, variant: str, counts: morphometry.Fraction, volume: float, note: str = ""
) -> dict[str, object]:
    row: dict[str, object] = {
        "outcome": outcome, "variant": variant, "value": counts.percent, "unit": "%",
        "numerator": counts.bone * volume, "denominator": counts.total * volume, "denominator_unit": "mm3",
        "method": note,
    }  # fmt: skip
    if not counts.total:
        row |= {"qc": "fail", "qc_reason": f"no voxel in the shell ({note})"}
    return row


def _thicknesses(
    bone: Mask, regions: Regions, voxel_um: float, settings: Settings, threads: int
) -> tuple[list[dict[str, object]], NDArray[np.float32]]:
    """Tb.Th and Tb.Sp: mean and standard deviation over voxels; and the bone's map in the VOI (mm)."""
    rows: list[dict[str, object]] = []
    shown = np.zeros(bone.shape, np.float32)
    for outcome, phase in (("tbth", bone), ("tbsp", ~bone & ~regions.zone)):
        found = morphometry.thickness(phase, regions.voi, voxel_um / 1000, regions.zone, threads)
        method = "exact closed-ball local thickness"
        if found is None:
            row = {"qc": "fail", "qc_reason": "the phase has no border in the scan", "unit": "mm", "method": method}
            rows += [{"outcome": name, **row} for name in (outcome, f"{outcome}_sd")]
            continue
        # a share, told with the value: it says how far the VOI's surroundings limit the spheres
        clipped = f"{100 * found.clipped_share:.3g} % of voxels have a sphere that meets the scan's border or metal"
        qc = "warn" if found.clipped_share > settings.clipped_warn_share else "pass"
        row = {"unit": "mm", "qc": qc, "qc_reason": clipped, "method": method}
        rows.append({**row, "outcome": outcome, "value": found.mean})
        rows.append({**row, "outcome": f"{outcome}_sd", "value": found.sd})
        if outcome == "tbth":
            shown = np.where(bone & regions.voi, found.map_voxels * np.float32(voxel_um / 1000), np.float32(0))
    return rows, shown


def _geometry_warnings(regions: Regions) -> list[str]:
    """Metal that meets the border of the scan, or a shell that leaves it."""
    found = []
    for name, mask in (("implant", regions.implant), ("VOI", regions.voi)):
        faces = [mask[0], mask[-1], mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1]]
        if regions.distance is not None and any(face.any() for face in faces):
            found.append(f"the {name} meets the border of the scan")
    return found


def _table(
    rows: list[dict[str, object]], warnings: list[str], settings: Settings, common: Mapping[str, object]
) -> pd.DataFrame:
    described = settings.describe()
    for row in rows:
        row["method"] = "; ".join(t for t in (str(row.get("method", "")), described) if t)
        if warnings and row.get("qc") != "fail":
            row["qc"] = "warn"
            row["qc_reason"] = "; ".join(t for t in (*warnings, str(row.get("qc_reason", ""))) if t)
    return tidy(rows, modality="microct", level="specimen", **common)
