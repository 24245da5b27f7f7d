"""One scan in, all its micro-CT measurements and label maps out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.microct import contact, cortical, morphometry, structure
from periomics.microct.connectivity import without_specks
from periomics.microct.density import Calibration, density_rows, in_grey
from periomics.microct.masks import LABELS, Corrected
from periomics.microct.periimplant import Axis, distance_um, height_um, implant_axis, shell
from periomics.microct.readers import Spacing
from periomics.microct.resample import to_cubes
from periomics.microct.segment import bone_mask, grey_warnings, segment_implant, smooth
from periomics.microct.settings import Settings
from periomics.study.errors import SpecimenError
from periomics.study.measurements import tidy

Mask = NDArray[np.bool_]
THICKNESS = ("tbth", "tbth_sd", "tbsp", "tbsp_sd")
AT_IMPLANT = ("ovtv", "bic_ct", "ridge", "insertion")
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
    """All that a scan gives: measurements table, curves around the implant (none without one), label map (codes in
    LABELS), bone thickness and marrow separation (mm, in the VOI), regions, edge of a voxel, and warnings."""

    table: pd.DataFrame
    curves: pd.DataFrame
    labels: NDArray[np.uint8]
    thickness_mm: NDArray[np.float32]
    separation_mm: NDArray[np.float32]
    regions: Regions
    voxel_um: float
    warnings: tuple[str, ...]


def outcomes(settings: Settings) -> tuple[str, ...]:
    """Outcomes that a scan gives; those at the implant need one."""
    found = ["bvtv", "bv", "tv", *THICKNESS, *structure.OUTCOMES]
    if not settings.anisotropy:
        found.remove("da")
    found += ["grey_bone", "grey_voi"] if settings.calibration == "none" else ["tmd", "bmd"]
    found += ["low_density_share"] if settings.low_density_cut is not None else []
    found += cortical.OUTCOMES if settings.compartments != "none" else ()
    return tuple(found) + (AT_IMPLANT if settings.implant == "required" else ())


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
    grey: NDArray,
    spacing_um: Spacing,
    settings: Settings,
    common: Mapping[str, object],
    threads: int = 1,
    calibration: Calibration | None = None,
    by_hand: Corrected | None = None,
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
    calibration
        From grey to mg HA/cm³, where the study has one.
    by_hand
        Masks that replace steps.

    Raises
    ------
    SpecimenError
        If the scan cannot be measured: no implant, several, no long axis, empty VOI, no bone or only bone in the VOI,
        grey values that are not finite, or voxels that are not cubes.
    """
    if grey.dtype.kind == "f" and not np.isfinite(grey).all():
        raise SpecimenError("the scan holds grey values that are not finite")
    if settings.voxels == "resample" and by_hand is None:
        grey, spacing_um = to_cubes(grey, spacing_um)
    voxel_um = isotropic_voxel(spacing_um)
    settings = in_grey(settings, calibration)
    regions = find_regions(grey, voxel_um, settings, threads, by_hand)
    smoothed = smooth(grey, settings.prefilter_sigma_voxels)
    # Shells that reach into the exclusion band show what the artefact does there, so this bone goes up to the metal.
    seen = (
        by_hand.bone if by_hand and by_hand.bone is not None else bone_mask(smoothed, settings, voxel_um, regions.zone)
    )
    bone = seen & ~regions.zone
    counts = morphometry.fraction(bone, regions.voi)
    if counts.bone in (0, counts.total):
        what = "no bone" if counts.bone == 0 else "nothing but bone"
        raise SpecimenError(
            f"{what} in the VOI at threshold {settings.bone_threshold:g}: threshold and scan do not fit"
        )
    warnings = grey_warnings(grey, regions.zone, settings) + _geometry_warnings(regions)
    rows = _fractions(smoothed, seen, regions, voxel_um, settings)
    thick_rows, thickness_mm, separation_mm = _thicknesses(bone, regions, voxel_um, settings, threads)
    rows += thick_rows
    tbth = next((r.get("value") for r in thick_rows if r["outcome"] == "tbth"), None)
    rows += structure.structure_rows(bone, seen, regions.zone, regions.voi, voxel_um / 1000, tbth, settings, threads)
    rows += density_rows(grey, bone, regions.voi, settings, calibration, threads)
    if settings.compartments != "none":
        parts = cortical.split(bone, settings, voxel_um, threads)
        rows += cortical.cortical_rows(bone, parts, voxel_um / 1000, threads)
    more, curves = _at_implant(seen, bone, regions, voxel_um, settings)
    note = settings.describe() if by_hand is None else f"{settings.describe()}; {by_hand.describe()}"
    table = _table(rows + more, warnings, note, common)
    return Measured(
        table, curves, label_map(bone, regions), thickness_mm, separation_mm, regions, voxel_um, tuple(warnings)
    )


def find_regions(
    grey: NDArray, voxel_um: float, settings: Settings, threads: int = 1, by_hand: Corrected | None = None
) -> Regions:
    """Implant, exclusion band and VOI of a scan; raises SpecimenError if the VOI is empty."""
    drawn = by_hand or Corrected(None, None, None, None)
    if settings.implant == "none":
        nothing = np.zeros(grey.shape, bool)
        return Regions(
            nothing, nothing, np.ones(grey.shape, bool) if drawn.voi is None else drawn.voi, None, None, None
        )
    implant = segment_implant(grey, settings) if drawn.implant is None else drawn.implant
    axis = implant_axis(implant, settings.voi.apex)
    distance = distance_um(implant, voxel_um, threads)
    height = height_um(grey.shape, axis, voxel_um)
    zone = distance <= settings.voi.inner_um + 1e-3
    if drawn.band is not None:
        zone = implant | drawn.band
    voi = shell(distance, settings.voi.inner_um, settings.voi.outer_um, height, settings.voi)
    voi = (voi if drawn.voi is None else drawn.voi) & ~zone
    if not voi.any():
        raise SpecimenError("the VOI is empty: no voxel of the scan lies in the declared shell around the implant")
    return Regions(implant, zone, voi, distance, height, axis)


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
    smoothed: NDArray, seen: Mask, regions: Regions, voxel_um: float, settings: Settings
) -> list[dict[str, object]]:
    """BV, TV, BV/TV, OV/TV with their shell, offset and threshold variants."""
    volume = (voxel_um / 1000) ** 3
    total = morphometry.fraction(seen, regions.voi)
    rows: list[dict[str, object]] = [
        {"outcome": "bv", "value": total.bone * volume, "unit": "mm3"},
        {"outcome": "tv", "value": total.total * volume, "unit": "mm3"},
        _share("bvtv", "", total, volume),
    ]
    parts = _shells(regions, settings)
    rows += [_share(o, v, morphometry.fraction(seen, mask), volume, note) for o, v, mask, note in parts]
    for sign in (-1, 1) if settings.sweep_percent else ():
        factor = 1 + sign * settings.sweep_percent / 100
        other = bone_mask(smoothed, settings, voxel_um, regions.zone, factor)
        variant = f"threshold={sign * settings.sweep_percent:+g}%"
        note = f"bone >= {settings.bone_threshold * factor:g}"
        rows.append(_share("bvtv", variant, morphometry.fraction(other, regions.voi), volume, note))
        rows += [_share(o, variant, morphometry.fraction(other, m), volume, note) for o, v, m, _ in parts[:1]]
    return rows


def _at_implant(
    seen: Mask, bone: Mask, regions: Regions, voxel_um: float, settings: Settings
) -> tuple[list[dict[str, object]], pd.DataFrame]:
    """Contact, marginal bone loss and insertion depth, and the curves; nothing without an implant."""
    if regions.axis is None or regions.distance is None or regions.height is None:
        return [], pd.DataFrame(columns=list(contact.CURVE_COLUMNS))
    clean = without_specks(bone, contact.speck_voxels(settings, voxel_um))
    around = contact.Surroundings(seen, clean, regions.distance, regions.height, regions.axis, voxel_um)
    level = contact.bone_level(around, settings)
    offset = contact.contact_offset(around, settings)
    found = morphometry.fraction(seen, contact.layer(around, offset, settings.voi))
    note = f"bone in the layer of one voxel at {offset:g} um from the metal; a surrogate, never primary"
    where = f"{settings.sectors} sectors, shell of {settings.level_width_um:g} um behind the band"
    empty = int(np.isnan(level.top_um).sum())
    qc = (
        {"qc": "warn", "qc_reason": f"no bone in {empty} of {settings.sectors} sectors: whole length lost"}
        if empty
        else {}
    )
    rows = [
        _share("bic_ct", "", found, (voxel_um / 1000) ** 3, note),
        {"outcome": "ridge", "value": float(level.loss_um.mean()) / 1000, "unit": "mm", "method": f"mean of {where}", **qc},
        {"outcome": "ridge", "variant": "statistic=max", "value": float(level.loss_um.max()) / 1000, "unit": "mm",
         "method": f"largest of {where}", **qc},
        {"outcome": "insertion", "value": level.insertion_um / 1000, "unit": "mm", "method": f"mean of {where}", **qc},
    ]  # fmt: skip
    return rows, contact.curves(around, level, settings)


def _shells(regions: Regions, settings: Settings) -> list[tuple[str, str, Mask, str]]:
    """(outcome, variant, mask, note): the default OV/TV shell first, then its curve over offsets, then BV/TV shells."""
    width = settings.ovtv_width_um
    if regions.distance is None:
        return []

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
) -> tuple[list[dict[str, object]], NDArray[np.float32], NDArray[np.float32]]:
    """Tb.Th and Tb.Sp: mean and standard deviation over voxels, also by shell; and both maps in the VOI (mm)."""
    rows: list[dict[str, object]] = []
    maps = []
    for outcome, phase in (("tbth", bone), ("tbsp", ~bone & ~regions.zone)):
        variants = settings.thickness_variants
        found = morphometry.thickness(phase, regions.voi, voxel_um / 1000, regions.zone, threads, variants)
        method = "exact closed-ball local thickness"
        if found is None:
            row = {"qc": "fail", "qc_reason": "the phase has no border in the scan", "unit": "mm", "method": method}
            rows += [{"outcome": name, **row} for name in (outcome, f"{outcome}_sd")]
            maps.append(np.zeros(bone.shape, np.float32))
            continue
        # a share, told with the value: it says how far the VOI's surroundings limit the spheres
        clipped = f"{100 * found.clipped_share:.3g} % of voxels have a sphere that meets the scan's border or metal"
        qc = "warn" if found.clipped_share > settings.clipped_warn_share else "pass"
        row = {"unit": "mm", "qc": qc, "qc_reason": clipped, "method": method}
        rows.append({**row, "outcome": outcome, "value": found.mean})
        rows.append({**row, "outcome": f"{outcome}_sd", "value": found.sd})
        if found.bonej_mean is not None:
            other = {**row, "variant": "method=bonej", "method": f"{method}, cleaned up as ImageJ's plugin does"}
            rows.append({**other, "outcome": outcome, "value": found.bonej_mean})
            rows.append({**other, "outcome": f"{outcome}_sd", "value": found.bonej_sd})
        sizes = np.where(phase & regions.voi, found.map_voxels * np.float32(voxel_um / 1000), np.float32(0))
        maps.append(sizes)
        for _, variant, mask, _ in _shells(regions, settings)[-len(settings.shells_um) :] if settings.shells_um else ():
            values = sizes[mask & (sizes > 0)]
            if values.size:
                rows.append(
                    {**row, "outcome": outcome, "variant": variant, "value": float(values.mean(dtype=np.float64))}
                )
    return rows, maps[0], maps[1]


def _geometry_warnings(regions: Regions) -> list[str]:
    """Metal that meets the border of the scan, or a shell that leaves it."""
    found = []
    for name, mask in (("implant", regions.implant), ("VOI", regions.voi)):
        faces = [mask[0], mask[-1], mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1]]
        if regions.distance is not None and any(face.any() for face in faces):
            found.append(f"the {name} meets the border of the scan")
    return found


def _table(
    rows: list[dict[str, object]], warnings: list[str], described: str, common: Mapping[str, object]
) -> pd.DataFrame:
    for row in rows:
        row["method"] = "; ".join(t for t in (str(row.get("method", "")), described) if t)
        if warnings and row.get("qc") != "fail":
            row["qc"] = "warn"
            row["qc_reason"] = "; ".join(t for t in (*warnings, str(row.get("qc_reason", ""))) if t)
    return tidy(rows, modality="microct", level="specimen", **common)
