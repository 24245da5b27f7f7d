"""Rows of the measurements table about the structure of the bone: surface, plate model, number, connectivity, anisotropy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from periomics.microct.anisotropy import Anisotropy, anisotropy, noise_floors
from periomics.microct.connectivity import Connectivity, connectivity, purify
from periomics.microct.morphometry import Fraction, fraction, mid_axis_spacing
from periomics.microct.surface import Surface, plate_model, surface
from periomics.study.settings.microct import Microct

Mask = NDArray[np.bool_]
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
    bone: Mask,
    seen: Mask,
    zone: Mask,
    voi: Mask,
    voxel_mm: float,
    tbth_mm: float | None,
    settings: Microct,
    threads: int = 1,
    pure: Mask | None = None,
    mid_axes: MidAxes | None = None,
) -> list[Row]:
    """Rows of all structural outcomes of a scan.

    Parameters
    ----------
    bone
        (z, y, x) outside the metal and its band.
    seen
        Bone as segmented up to the metal: the band's edge is a cut, not a surface.
    zone
        Metal and band.
    voi
        Volume of interest.
    voxel_mm
        Edge of a voxel.
    tbth_mm
        Mean local thickness, for Tb.N; None where it could not be measured.
    pure
        The bone purified, where it is known from more of the scan than is given.
    mid_axes
        Where they are known from more of the scan than is given.
    """
    pure = purify(bone, zone) if pure is None else pure
    if settings.thickness_variants and mid_axes is None:
        mid_axes = MidAxes(mid_axis_spacing(bone, voi, voxel_mm, threads))
    axis = anisotropy(bone, voi) if settings.anisotropy else None
    n_fields = settings.da_noise_fields if axis else 0
    found = Structure(
        surface=surface(seen, voi, voxel_mm),
        seen=fraction(seen, voi),
        bone=fraction(bone, voi),
        pure=connectivity(pure, voi),
        all_parts=connectivity(bone, voi),
        mid_axes=mid_axes,
        anisotropy=axis,
        fields=noise_floors(bone, voi, n_fields, threads) if n_fields else (),
    )
    return rows_of(found, voxel_mm, tbth_mm, settings)


def rows_of(
    found: Structure, voxel_mm: float, tbth_mm: float | None, settings: Microct
) -> list[Row]:
    """The rows of `structure_rows`."""
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
