"""One scan in, all its micro-CT measurements and label maps out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.errors import SpecimenError
from periomics.microct import contact, cortical, morphometry, structure
from periomics.microct.connectivity import purify, without_specks
from periomics.microct.counting import Part, Regions, count, count_rows, factors, shell_masks
from periomics.microct.density import Calibration, in_grey, inner_bone
from periomics.microct.formats.header import Spacing, isotropic_voxel
from periomics.microct.masks import LABELS, Corrected
from periomics.microct.morphometry import Fraction
from periomics.microct.periimplant import Axis, Place, distance_um, height_um, implant_axis, shell
from periomics.microct.resample import to_cubes
from periomics.microct.segment import bone_mask, grey_warnings, segment_implant, smooth
from periomics.microct.slabs import bits_of
from periomics.study.measurements import tidy
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
THICKNESS = ("tbth", "tbth_sd", "tbsp", "tbsp_sd")
AT_IMPLANT = ("ovtv", "bic_ct", "ridge", "insertion")
NOT_FINITE = "the scan holds grey values that are not finite"


@dataclass(frozen=True)
class Measured:
    """All that a scan gives: measurements table, curves around the implant (none without one), label map (codes in
    LABELS), bone thickness and marrow separation (mm, in the VOI), regions, edge of a voxel, and warnings.

    Of a scan that is measured by slabs only every `step`-th voxel is kept, for its picture; `voxel_um` is then theirs.
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    labels: NDArray[np.uint8]
    thickness_mm: NDArray[np.float32]
    separation_mm: NDArray[np.float32]
    regions: Regions
    voxel_um: float
    warnings: tuple[str, ...]
    step: int = 1


def outcomes(settings: Microct) -> tuple[str, ...]:
    """Outcomes that a scan gives; those at the implant need one."""
    found = ["bvtv", "bv", "tv", *THICKNESS, *structure.OUTCOMES]
    if not settings.anisotropy:
        found.remove("da")
    found += ["grey_bone", "grey_voi"] if settings.calibration == "none" else ["tmd", "bmd"]
    found += ["low_density_share"] if settings.low_density_cut is not None else []
    found += cortical.OUTCOMES if settings.compartments != "none" else ()
    return tuple(found) + (AT_IMPLANT if settings.implant == "required" else ())


def measure(
    grey: NDArray,
    spacing_um: Spacing,
    settings: Microct,
    common: Mapping[str, object],
    threads: int = 1,
    calibration: Calibration | None = None,
    by_hand: Corrected[Mask] | None = None,
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
        raise SpecimenError(NOT_FINITE)
    if settings.voxels == "resample" and by_hand is None:
        grey, spacing_um = to_cubes(grey, spacing_um)
    voxel_um = isotropic_voxel(spacing_um)
    settings = in_grey(settings, calibration)
    regions = find_regions(grey, voxel_um, settings, threads, by_hand)
    smoothed = smooth(grey, settings.prefilter_sigma_voxels)
    # Shells that reach into the exclusion band show what the artefact does there, so this bone goes up to the metal.
    seen, *swept = (
        bone_mask(smoothed, settings, voxel_um, regions.zone, f) for f in (1.0, *factors(settings))
    )
    del smoothed
    if by_hand and by_hand.bone is not None:
        seen = by_hand.bone
    bone = seen & ~regions.zone
    clean = (
        bone
        if regions.axis is None
        else without_specks(bone, contact.speck_voxels(settings, voxel_um))
    )
    part = Part(
        grey, seen, swept, clean, inner_bone(bone, settings.tmd_peel_voxels, threads), regions
    )
    note = describe(settings, by_hand)
    return measure_part(
        part,
        purify(bone, regions.zone),
        grey.shape,
        voxel_um=voxel_um,
        settings=settings,
        common=common,
        calibration=calibration,
        note=note,
        threads=threads,
    )


def describe(settings: Microct, by_hand: Corrected[Any] | None) -> str:
    """What the `method` column says of every row."""
    return (
        settings.describe() if by_hand is None else f"{settings.describe()}; {by_hand.describe()}"
    )


def measure_part(
    part: Part,
    pure: Mask,
    shape: tuple[int, int, int],
    voxel_um: float,
    settings: Microct,
    common: Mapping[str, object],
    calibration: Calibration | None,
    note: str,
    threads: int = 1,
    full: Fraction | None = None,
    elsewhere: Mapping[str, Sized] | None = None,
    compartments: list[dict[str, object]] | None = None,
    mid_axes: structure.MidAxes | None = None,
) -> Measured:
    """Measure a scan that is at hand, or as much of it as its numbers rest on.

    Parameters
    ----------
    part
        Grey values, masks and regions.
    pure
        The bone purified.
    shape
        (z, y, x) of the whole scan.
    full
        Saturated voxels of the whole scan, where the part is not all of it.
    elsewhere
        Thickness of a phase (`tbth`, `tbsp`) whose spheres reach beyond the part, found in the whole scan.
    compartments
        Rows of `cortical.measure`, found in the whole scan; measured in the part if not given.
    mid_axes
        Of the whole scan, where what lies between them reaches beyond the part.
    """
    regions, slices = part.regions, (0, 0)
    if regions.axis is not None:
        slices = contact.slices_of(shape, regions.axis)
    counts = count(part, settings, voxel_um, slices)
    check_bone(counts.bone, settings)
    warnings = grey_warnings(
        full or counts.saturated, part.grey.dtype, settings
    ) + _geometry_warnings(regions, shape)
    rows, curves = count_rows(counts, regions.axis, settings, calibration, voxel_um)
    bone = part.seen & ~regions.zone
    maps, tbth = [], None
    for outcome, phase in (("tbth", bone), ("tbsp", ~bone & ~regions.zone)):
        found = (elsewhere or {}).get(outcome) or sized(phase, regions, voxel_um, settings, threads)
        rows += thickness_rows(outcome, found, settings)
        maps.append(found.map_mm)
        tbth = found.thickness.mean if outcome == "tbth" and found.thickness else tbth
    rows += structure.structure_rows(
        bone,
        part.seen,
        regions.zone,
        voi=regions.voi,
        voxel_mm=voxel_um / 1000,
        tbth_mm=tbth,
        settings=settings,
        threads=threads,
        pure=pure,
        mid_axes=mid_axes,
    )
    if compartments is None and settings.compartments != "none":
        compartments = cortical.measure(bits_of(bone), settings, voxel_um, threads=threads)
    rows += compartments or []
    thickness_mm, separation_mm = maps
    return Measured(
        table=table_of(rows, warnings, note, common),
        curves=curves,
        labels=label_map(bone, regions),
        thickness_mm=thickness_mm,
        separation_mm=separation_mm,
        regions=regions,
        voxel_um=voxel_um,
        warnings=tuple(warnings),
    )


def check_bone(bone: Fraction, settings: Microct) -> None:
    """Raises SpecimenError where the VOI holds no bone, or nothing else."""
    if bone.bone in (0, bone.total):
        what = "no bone" if bone.bone == 0 else "nothing but bone"
        raise SpecimenError(
            f"{what} in the VOI at threshold {settings.bone_cut:g}: threshold and scan do not fit"
        )


def find_regions(
    grey: NDArray,
    voxel_um: float,
    settings: Microct,
    threads: int = 1,
    by_hand: Corrected[Mask] | None = None,
) -> Regions:
    """Implant, exclusion band and VOI of a scan; raises SpecimenError if the VOI is empty."""
    drawn = by_hand or Corrected()
    if settings.implant == "none":
        nothing = np.zeros(grey.shape, bool)
        return Regions(
            nothing,
            nothing,
            np.ones(grey.shape, bool) if drawn.voi is None else drawn.voi,
            None,
            None,
            None,
        )
    implant = segment_implant(grey, settings) if drawn.implant is None else drawn.implant
    axis = implant_axis(implant, settings.voi.apex)
    distance, height = (
        distance_um(implant, voxel_um, threads),
        height_um(grey.shape, axis, voxel_um),
    )
    regions = regions_around(
        implant, distance, height, axis=axis, settings=settings, band=drawn.band, voi=drawn.voi
    )
    if not regions.voi.any():
        raise empty_voi(voxel_um)
    return regions


def empty_voi(voxel_um: float) -> SpecimenError:
    """What to say of a scan without a VOI; a voxel in another unit shows here."""
    return SpecimenError(
        "the VOI is empty: no voxel of the scan lies in the declared shell around the implant "
        f"(voxels of {voxel_um:.4g} um)"
    )


def regions_around(
    implant: Mask,
    distance: NDArray[np.float32],
    height: NDArray[np.float32],
    axis: Axis,
    settings: Microct,
    band: Mask | None = None,
    voi: Mask | None = None,
    origin: Place = (0, 0, 0),
) -> Regions:
    """Exclusion band and VOI around an implant, in a scan or in a part of it that begins at `origin`.

    Parameters
    ----------
    implant, distance, height
        (z, y, x) of the part; distance to the metal and height above the apex in µm.
    axis
        In the scan's voxels.
    band, voi
        By hand; as declared where not given.
    """
    zone = distance <= settings.voi.inner_um + 1e-3 if band is None else implant | band
    if voi is None:
        voi = shell(distance, settings.voi.inner_um, settings.voi.outer_um, height, settings.voi)
    return Regions(
        implant=implant,
        zone=zone,
        voi=voi & ~zone,
        distance=distance,
        height=height,
        axis=axis,
        origin=origin,
    )


def label_map(bone: Mask, regions: Regions) -> NDArray[np.uint8]:
    """Label map with the codes of LABELS."""
    labels = np.zeros(bone.shape, np.uint8)
    labels[bone] = LABELS["bone outside VOI"]
    labels[regions.voi] = LABELS["marrow in VOI"]
    labels[regions.voi & bone] = LABELS["bone in VOI"]
    labels[regions.zone] = LABELS["exclusion band"]
    labels[regions.implant] = LABELS["implant"]
    return labels


@dataclass(frozen=True)
class Sized:
    """Local thickness of a phase in the VOI (None where it has no border), its means (mm) in `shells_um` (NaN without a
    voxel), its map (mm, 0 outside the phase and the VOI), and why it, or ImageJ's form of it, could not be had."""

    thickness: morphometry.Thickness | None
    by_shell: tuple[float, ...]
    map_mm: NDArray[np.float32]
    missing: str = ""


def sized(phase: Mask, regions: Regions, voxel_um: float, settings: Microct, threads: int) -> Sized:
    """Local thickness of a phase that is at hand as far as its spheres reach."""
    found = morphometry.thickness(
        phase, regions.voi, voxel_um / 1000, regions.zone, threads, settings.thickness_variants
    )
    if found is None:
        return Sized(None, (), np.zeros(phase.shape, np.float32))
    sizes = np.where(
        phase & regions.voi, found.map_voxels * np.float32(voxel_um / 1000), np.float32(0)
    )
    return Sized(found, shell_means(sizes, regions, settings), sizes)


def shell_means(
    sizes: NDArray[np.float32], regions: Regions, settings: Microct
) -> tuple[float, ...]:
    """Mean of a thickness map (mm) in each of `shells_um`; NaN without a voxel."""
    if regions.axis is None or not settings.shells_um:
        return ()
    found = (
        sizes[m & (sizes > 0)] for m in shell_masks(regions, settings)[-len(settings.shells_um) :]
    )
    return tuple(float(v.mean(dtype=np.float64)) if v.size else float("nan") for v in found)


def thickness_rows(outcome: str, found: Sized, settings: Microct) -> list[dict[str, object]]:
    """Tb.Th or Tb.Sp: mean and standard deviation over voxels, as ImageJ's plugin gives them, and by shell."""
    method, thick = "exact closed-ball local thickness", found.thickness
    if thick is None:
        reason = found.missing or "the phase has no border in the scan"
        row = {"qc": "fail", "qc_reason": reason, "unit": "mm", "method": method}
        return [{"outcome": name, **row} for name in (outcome, f"{outcome}_sd")]
    # a share, told with the value: it says how far the VOI's surroundings limit the spheres
    clipped = f"{100 * thick.clipped_share:.3g} % of voxels have a sphere that meets the scan's border or metal"
    qc = "warn" if thick.clipped_share > settings.clipped_warn_share else "pass"
    row = {"unit": "mm", "qc": qc, "qc_reason": clipped, "method": method}
    rows = [
        {**row, "outcome": outcome, "value": thick.mean},
        {**row, "outcome": f"{outcome}_sd", "value": thick.sd},
    ]
    other = {
        **row,
        "variant": "method=bonej",
        "method": f"{method}, cleaned up as ImageJ's plugin does",
    }
    if settings.thickness_variants and found.missing:
        other |= {"qc": "fail", "qc_reason": found.missing}
        rows += [{**other, "outcome": name} for name in (outcome, f"{outcome}_sd")]
    elif thick.bonej_mean is not None:
        rows.append({**other, "outcome": outcome, "value": thick.bonej_mean})
        rows.append({**other, "outcome": f"{outcome}_sd", "value": thick.bonej_sd})
    for (low, high), mean in zip(settings.shells_um, found.by_shell, strict=False):
        if mean == mean:
            rows.append(
                {**row, "outcome": outcome, "variant": f"shell={low:g}-{high:g}um", "value": mean}
            )
    return rows


def _geometry_warnings(regions: Regions, shape: tuple[int, int, int]) -> list[str]:
    """Metal that meets the border of the scan, or a shell that leaves it."""
    named = {"implant": regions.implant, "VOI": regions.voi} if regions.axis is not None else {}
    return border_warnings(
        {n: any(f.any() for f in _scan_faces(m, regions.origin, shape)) for n, m in named.items()}
    )


def border_warnings(meets: Mapping[str, bool]) -> list[str]:
    """What meets the border of the scan, by name."""
    return [f"the {name} meets the border of the scan" for name, so in meets.items() if so]


def _scan_faces(mask: Mask, origin: Place, shape: tuple[int, int, int]) -> list[Mask]:
    """The outermost layers of a part that are outermost layers of the scan."""
    faces = []
    for axis in range(3):
        layers = np.moveaxis(mask, axis, 0)
        if origin[axis] == 0:
            faces.append(layers[0])
        if origin[axis] + mask.shape[axis] == shape[axis]:
            faces.append(layers[-1])
    return faces


def table_of(
    rows: list[dict[str, object]], warnings: list[str], described: str, common: Mapping[str, object]
) -> pd.DataFrame:
    """The measurements table; warnings about the scan reach every row."""
    for row in rows:
        row["method"] = "; ".join(t for t in (str(row.get("method", "")), described) if t)
        if warnings and row.get("qc") != "fail":
            row["qc"] = "warn"
            row["qc_reason"] = "; ".join(t for t in (*warnings, str(row.get("qc_reason", ""))) if t)
    return tidy(rows, modality="microct", level="specimen", **common)
