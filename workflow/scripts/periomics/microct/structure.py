"""Rows of the measurements table about the structure of the bone: surface, plate model, number, connectivity, anisotropy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from periomics.microct.anisotropy import Anisotropy
from periomics.microct.connectivity import Connectivity
from periomics.microct.morphometry import Fraction
from periomics.microct.surface import Surface, plate_model
from periomics.study.settings.microct import Microct

Row = dict[str, object]
OUTCOMES = ("bs", "bs_bv", "bs_tv", "tbn", "conn", "euler", "smi", "da")
MESH = (
    "mesh of the mask smoothed by a Gaussian of 1 voxel, at one half; the VOI's cuts do not count"
)
SMI_WARNING = (
    "confounded by bone fraction and concave surface (Salmon 2015): do not interpret alone"
)


@dataclass(frozen=True)
class MidAxes:
    """Mean spacing of mid-axes (mm; None where there are none), and why it could not be had."""

    spacing_mm: float | None
    missing: str = ""


@dataclass(frozen=True)
class Structure:
    """What the rows are made of: surface and voxels of the bone as segmented up to the metal, voxels outside the band,
    connectivity of the purified bone and of all bone, mid-axes (None if not wanted), anisotropy and its isotropic fields.

    `missing`: why fields (`noise-floor`) could not be had.
    """

    surface: Surface
    seen: Fraction
    bone: Fraction
    pure: Connectivity
    all_parts: Connectivity
    mid_axes: MidAxes | None
    anisotropy: Anisotropy | None
    fields: tuple[Anisotropy, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)


def structure_rows(
    found: Structure, voxel_mm: float, tbth_mm: float | None, settings: Microct
) -> list[Row]:
    """Rows of all structural outcomes of a scan; `tbth_mm` is the mean local thickness, None where there is none."""
    rows = _surface_rows(found.surface, found.seen, voxel_mm)
    if tbth_mm:
        share = found.bone.bone / found.bone.total
        rows.insert(
            0, _row("tbn", share / tbth_mm, "1/mm", "", "(BV/TV)/Tb.Th, Tb.Th by local thickness")
        )
    if found.mid_axes and found.mid_axes.spacing_mm:
        text = "inverse mean spacing between mid-axes"
        rows.append(_row("tbn", 1 / found.mid_axes.spacing_mm, "1/mm", "method=mid-axis", text))
    elif found.mid_axes and found.mid_axes.missing:
        rows.append(_missing("tbn", "1/mm", "method=mid-axis", found.mid_axes.missing))
    rows += _connectivity_rows(found.pure, found.all_parts, found.bone.total * voxel_mm**3)
    if settings.anisotropy:
        rows += _anisotropy_rows(found.anisotropy, found.fields, settings.da_noise_fields)
        if settings.da_noise_fields and "noise-floor" in found.missing:
            rows.append(_missing("da", "1", "noise-floor", found.missing["noise-floor"]))
    return rows


def _missing(outcome: str, unit: str, variant: str, reason: str) -> Row:
    return {"outcome": outcome, "variant": variant, "unit": unit, "qc": "fail", "qc_reason": reason}


def _row(outcome: str, value: float, unit: str, variant: str, method: str) -> Row:
    return {
        "outcome": outcome,
        "variant": variant,
        "value": float(value),
        "unit": unit,
        "method": method,
    }


def _surface_rows(found: Surface, counts: Fraction, voxel_mm: float) -> list[Row]:
    bv, tv = counts.bone * voxel_mm**3, counts.total * voxel_mm**3
    rows = []
    for variant, area, method in (
        ("", found.smoothed_mesh, MESH),
        ("method=raw-mesh", found.raw_mesh, "mesh of the mask, not smoothed"),
        ("method=faces", found.faces, "faces of voxels"),
    ):
        rows.append(_row("bs", area, "mm2", variant, method))
        rows.append(
            {
                **_row("bs_bv", area / bv, "1/mm", variant, method),
                "numerator": area,
                "denominator": bv,
                "denominator_unit": "mm3",
            }
        )
        rows.append(
            {
                **_row("bs_tv", area / tv, "1/mm", variant, method),
                "numerator": area,
                "denominator": tv,
                "denominator_unit": "mm3",
            }
        )
    plates = plate_model(counts.bone / counts.total, found.smoothed_mesh / bv)
    for outcome, value, unit in (
        ("tbth", plates.thickness, "mm"),
        ("tbn", plates.number, "1/mm"),
        ("tbsp", plates.separation, "mm"),
    ):
        rows.append(_row(outcome, value, unit, "model=plate", f"plate model from BS/BV; {MESH}"))
    smi = _row(
        "smi",
        found.smi,
        "1",
        "",
        f"{MESH}; {100 * found.concave_share:.3g} % of the surface concave",
    )
    return [*rows, {**smi, "qc_reason": SMI_WARNING}]


def _connectivity_rows(pure: Connectivity, all_parts: Connectivity, tv: float) -> list[Row]:
    rows = []
    for variant, found, method in (
        ("", pure, "largest part of the bone in the scan, cavities filled"),
        ("purified=no", all_parts, "all parts and cavities"),
    ):
        text = f"26-connected bone, corrected for cut edges; {method}"
        rows.append(
            {
                **_row("conn", found.connections / tv, "1/mm3", variant, text),
                "numerator": found.connections,
                "denominator": tv,
                "denominator_unit": "mm3",
            }
        )
        rows.append(
            _row("euler", found.corrected, "1", variant, f"{text}; not corrected: {found.euler}")
        )
    return rows


def _anisotropy_rows(
    found: Anisotropy | None, fields: tuple[Anisotropy, ...], n_fields: int
) -> list[Row]:
    if found is None:
        reason = "rays meet too few changes of phase in the VOI"
        return [{"outcome": "da", "variant": "", "unit": "1", "qc": "fail", "qc_reason": reason}]
    floor = max((f.ratio for f in fields), default=float("nan"))
    axis = ", ".join(f"{v:.3f}" for v in found.directions[2])
    note = f"mean intercept length, 81 directions; longest axis along ({axis}) z, y, x"
    rows = [
        _row("da", getattr(found, name), "1", variant, f"{text}; {note}")
        for variant, name, text in _NAMES
    ]
    if fields:
        rows[0]["qc_reason"] = f"noise floor {floor:.4g} (isotropic field of the same bone)"
        text = f"largest c/a of {n_fields} isotropic random fields of the same fraction and correlation"
        rows.append(_row("da", floor, "1", "noise-floor", text))
    return rows


_NAMES: tuple[tuple[str, str, str], ...] = (
    ("", "ratio", "longest over shortest axis c/a"),
    ("convention=1-a/c", "one_minus_ratio", "1 - a/c"),
    ("convention=1-(a/c)^2", "bonej", "1 - (a/c)^2, as BoneJ"),
    ("convention=tDA", "tda", "1/(1 - DA), as BoneJ"),
)
assert all(hasattr(Anisotropy, name) for _, name, _ in _NAMES)
