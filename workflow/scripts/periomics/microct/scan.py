"""From a file and a sheet's row to everything that a scan gives; what the job's script writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.microct.density import calibration_of
from periomics.microct.masks import Corrected, corrected
from periomics.microct.measure import Measured, isotropic_voxel, measure
from periomics.microct.readers import Volume, read_volume
from periomics.microct.resample import to_cubes
from periomics.microct.settings import Settings
from periomics.study.errors import SpecimenError
from periomics.study.measurements import concatenate

FACT_COLUMNS = ("fact", "value", "source")
# Outcomes that are also given as they would be without the corrected mask.
BEFORE = ("bvtv", "bv", "tv", "tbth", "tbsp", "ovtv", "bic_ct")
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Scan:
    """A measured scan, the grey values on the grid of its maps, and the facts that the field's guideline asks for."""

    measured: Measured
    grey: NDArray
    facts: pd.DataFrame


def batch_settings(settings: Settings, batch: Mapping[str, object]) -> Settings:
    """The settings with the bone threshold of the scan's batch, where that is the rule.

    Raises
    ------
    SpecimenError
        If the rule is Otsu and the batch has no threshold.
    """
    if settings.threshold_rule == "fixed":
        return settings
    value = batch.get("bone_threshold")
    if value in (None, "") or not np.isfinite(float(str(value))):
        raise SpecimenError(f"the scan's batch has no bone threshold: {batch.get('reason') or 'no row for the batch'}")
    return replace(settings, bone_threshold=float(str(value)))


def measure_file(
    path: str,
    row: Mapping[str, object],
    settings: Settings,
    common: Mapping[str, object],
    mask: str | None = None,
    batch: Mapping[str, object] | None = None,
    threads: int = 1,
) -> Scan:
    """Read and measure a scan.

    Parameters
    ----------
    path
        The scan.
    row
        Its row of the sheet: voxel_um, medium, kv, filter, mask_by, mask_reason.
    settings
        The study's.
    common
        Columns that hold for all measurements.
    mask
        Corrected label map that replaces steps.
    batch
        Row of the scan's batch (threshold, calibration), where the settings want one.

    Raises
    ------
    InputError, SpecimenError
        As the reader and `measure`.
    """
    stated = row.get("voxel_um")
    volume = read_volume(path, None if stated in (None, "") else float(str(stated)))
    settings = batch_settings(settings, batch or {})
    calibration = calibration_of(settings, volume.source, batch or {})
    grey, spacing = volume.array, volume.spacing_um
    if settings.voxels == "resample":
        grey, spacing = to_cubes(grey, spacing)
    drawn = None
    if mask:
        drawn = corrected(read_volume(mask, isotropic_voxel(spacing)).array, grey.shape, mask)
    found = measure(grey, spacing, settings, common, threads, calibration, drawn)
    if drawn is not None:
        found = replace(
            found,
            table=_with_before(
                found, drawn, row, lambda: measure(grey, spacing, settings, common, threads, calibration)
            ),
        )
    return Scan(found, grey, scan_facts(volume, row, settings, found))


def _with_before(found: Measured, drawn: Corrected, row: Mapping[str, object], again) -> pd.DataFrame:
    """The table with who corrected what and why, and the main outcomes as they were before (`mask=before`)."""
    by, why = (str(row.get(c) or NOT_STATED) for c in ("mask_by", "mask_reason"))
    table = found.table.copy()
    table["method"] = table["method"] + f"; mask by {by}, reason: {why}"
    try:
        before = again().table
    except SpecimenError as error:
        before = table[table["variant"] == ""].assign(value=np.nan, numerator=np.nan, denominator=np.nan, qc="fail",
                                                      qc_reason=f"without the mask: {error}")  # fmt: skip
    before = before[before["outcome"].isin(BEFORE) & (before["variant"] == "")].assign(variant="mask=before")
    return concatenate([table, before])


def scan_facts(volume: Volume, row: Mapping[str, object], settings: Settings, found: Measured) -> pd.DataFrame:
    """Acquisition, region and processing of a scan, as the guideline (Bouxsein 2010, 10.1002/jbmr.141) asks for them.

    Returns
    -------
    Columns FACT_COLUMNS, a row a fact; what neither sheet nor file says is `not stated`.
    """
    source = {k: v for k, v in volume.source.items() if not k.startswith("_")}
    rows = [(name, _text(row.get(column)), "sheet") for name, column in (
        ("medium", "medium"), ("tube voltage, kV", "kv"), ("beam filter", "filter"))]  # fmt: skip
    rows += [
        (
            "voxel, um (z x y x x)",
            " x ".join(f"{s:.6g}" for s in volume.spacing_um),
            str(source.pop("spacing_from", "file")),
        ),
        ("voxels (z x y x x)", " x ".join(str(n) for n in volume.array.shape), "file"),
        ("grey values", f"{volume.array.min():g} to {volume.array.max():g}, {volume.array.dtype}", "file"),
    ]
    rows += [(str(k).replace("_", " "), _text(v), "file") for k, v in source.items() if k != "dtype"]
    voi = int(np.count_nonzero(found.regions.voi))
    axis = found.regions.axis
    rows += [
        ("processing", settings.describe(), "config"),
        ("region, mm3", f"{voi * (found.voxel_um / 1000) ** 3:.6g}", "measured"),
        ("implant length, mm", _text(None if axis is None else f"{axis.length * found.voxel_um / 1000:.6g}"), "measured"),
        ("implant tilt to z, degree", _text(None if axis is None else f"{axis.tilt_degrees:.4g}"), "measured"),
        ("warnings", "; ".join(found.warnings) or "none", "measured"),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(FACT_COLUMNS))


def _text(value: object) -> str:
    text = " ".join(str(value).split()) if value is not None and value == value else ""
    return text or NOT_STATED
