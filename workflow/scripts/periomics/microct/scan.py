"""From a file and a sheet's row to everything that a scan gives; what the job's script writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from periomics.core.errors import SpecimenError
from periomics.microct.density import calibration_of
from periomics.microct.formats.header import isotropic_voxel
from periomics.microct.formats.lazy import SlabReader, at_hand, open_volume
from periomics.microct.formats.nifti import Frame, frame_of
from periomics.microct.masks import corrected
from periomics.microct.measure import NO_FIELD, Measured, measure
from periomics.microct.members import LEVELS
from periomics.microct.resample import to_cubes
from periomics.microct.slabs import TOO_LITTLE, Shape
from periomics.microct.told import Told, told_of
from periomics.study.measurements import concatenate
from periomics.study.settings.microct import Microct

FACT_COLUMNS = ("fact", "value", "source")
# Outcomes that are also given as they would be without the corrected mask.
BEFORE = ("bvtv", "bv", "tv", "tbth", "tbsp", "ovtv", "bic_ct")
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Scan:
    """A measured scan, facts that the field's guideline asks for, shape of its label map, and where it lies."""

    measured: Measured
    facts: pd.DataFrame
    shape: Shape
    frame: Frame


def batch_settings(settings: Microct, batch: Mapping[str, object]) -> Microct:
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
        raise SpecimenError(
            f"the scan's batch has no bone threshold: {batch.get('reason') or 'no row for the batch'}"
        )
    return settings.but(bone_threshold=float(str(value)))


def measure_file(
    path: str,
    row: Mapping[str, object],
    settings: Microct,
    common: Mapping[str, object],
    mask: str | None = None,
    batch: Mapping[str, object] | None = None,
    threads: int = 1,
    earlier: str | None = None,
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
    earlier
        Scan of the same bone at an earlier time.

    Raises
    ------
    InputError, SpecimenError
        As the reader and `measure`.
    """
    stated = row.get("voxel_um")
    source = open_volume(path, None if stated in (None, "") else float(str(stated)))
    settings = batch_settings(settings, batch or {})
    calibration = calibration_of(settings, source.facts, batch or {})

    def cubes(one: SlabReader) -> SlabReader:
        one = to_cubes(one) if settings.voxels == "resample" else one
        return at_hand(one, settings.memory_mb)

    scan = cubes(source)
    before = cubes(open_volume(earlier, scan.spacing_um[0])) if earlier else None
    again = partial(measure, scan, settings, common, threads, calibration, told=told_of(row))
    if mask:
        drawn = at_hand(open_volume(mask, isotropic_voxel(scan.spacing_um)), settings.memory_mb)
        found = again(corrected(drawn, scan.shape, mask), earlier=before)
        found = replace(found, table=_with_before(found.table, row, again))
    else:
        found = again(earlier=before)
    facts = scan_facts(source, row, settings, found)
    return Scan(found, facts, scan.shape, frame_of(source.facts, scan.spacing_um))


def _with_before(
    table: pd.DataFrame, row: Mapping[str, object], again: Callable[[], Measured]
) -> pd.DataFrame:
    """The table with who corrected what and why, and the main outcomes as they were before (`mask=before`)."""
    by, why = (str(row.get(c) or NOT_STATED) for c in ("mask_by", "mask_reason"))
    table = table.assign(method=table["method"] + f"; mask by {by}, reason: {why}")
    try:
        before = again().table
    except SpecimenError as error:
        before = table[table["variant"] == ""].assign(
            value=np.nan,
            numerator=np.nan,
            denominator=np.nan,
            qc="fail",
            qc_reason=f"without the mask: {error}",
        )
    before = before[before["outcome"].isin(BEFORE) & (before["variant"] == "")].assign(
        variant="mask=before"
    )
    return concatenate([table, before])


def scan_facts(
    scan: SlabReader, row: Mapping[str, object], settings: Microct, found: Measured
) -> pd.DataFrame:
    """Acquisition, region and processing of a scan, as the guideline (Bouxsein 2010, 10.1002/jbmr.141) asks for them.

    Returns
    -------
    Columns FACT_COLUMNS, one row per fact; what neither sheet nor file says is `not stated`.
    """
    source = {k: v for k, v in scan.facts.items() if not k.startswith("_")}
    rows = [
        (name, _text(row.get(column)), "sheet")
        for name, column in (
            ("medium", "medium"),
            ("tube voltage, kV", "kv"),
            ("beam filter", "filter"),
        )
    ]
    rows += [
        (
            "voxel, um (z x y x x)",
            " x ".join(f"{s:.6g}" for s in scan.spacing_um),
            str(source.pop("spacing_from", "file")),
        ),
        ("voxels (z x y x x)", " x ".join(str(n) for n in scan.shape), "file"),
        (
            "grey values",
            f"{found.greys.low:g} to {found.greys.high:g}, {found.greys.dtype}",
            "file",
        ),
        ("format", scan.format, "file"),
    ]
    rows += [(str(k).replace("_", " "), _text(v), "file") for k, v in source.items()]
    rows += [
        (name, _text(None if value is None else f"{value:.6g}"), "measured")
        for name, value in zip(LEVELS, found.levels or (None, None), strict=True)
    ]
    table, axis = found.table, found.axis
    region = table.loc[(table["outcome"] == "tv") & (table["variant"] == ""), "value"].item()
    for_memory = table["qc_reason"].str.startswith((TOO_LITTLE, NO_FIELD))
    left_out = table.loc[for_memory, ["outcome", "variant"]]
    rows += [
        ("processing", settings.describe(), "config"),
        ("memory, MB", f"{settings.memory_mb:g}", "config"),
        (
            "left out for memory",
            ", ".join(" ".join(r).strip() for r in left_out.to_numpy()) or "nothing",
            "measured",
        ),
        ("region, mm3", f"{region:.6g}", "measured"),
        (
            "implant length, mm",
            _text(None if axis is None else f"{(axis.length + 1) * found.voxel_um / 1000:.6g}"),
            "measured",
        ),
        ("metal above the shoulder, mm", f"{found.above_um / 1000:.6g}", "measured"),
        *_which(told_of(row)),
        (
            "implant tilt to z, degree",
            _text(None if axis is None else f"{axis.tilt_degrees:.4g}"),
            "measured",
        ),
        *(
            (f"quality: {q.name}", f"{q.amount(q.value, 4)}, limit {q.amount(q.limit)}", "measured")
            for q in found.quality
        ),
        ("warnings", "; ".join(found.warnings) or "none", "measured"),
    ]
    return pd.DataFrame(rows, columns=list(FACT_COLUMNS))


def _which(told: Told) -> list[tuple[str, str, str]]:
    """Which implant of several it is."""
    if told.implants == 1:
        return []
    return [("implant in the row", f"{told.implant} of {told.implants}", "sheet")]


def _text(value: object) -> str:
    text = " ".join(str(value).split()) if value is not None and value == value else ""
    return text or NOT_STATED
