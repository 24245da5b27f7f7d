"""From a file and a sheet's row to everything that a scan gives; what the job's script writes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.errors import SpecimenError
from periomics.microct.budget import fits
from periomics.microct.density import Calibration, calibration_of
from periomics.microct.formats.header import isotropic_voxel, three
from periomics.microct.formats.lazy import SlabReader, in_a_file, open_volume
from periomics.microct.formats.nifti import Frame, frame_of
from periomics.microct.large import NO_FIELD, TOO_LITTLE, Large, Placed, held, measure_large
from periomics.microct.masks import Corrected, corrected, corrected_by_slabs
from periomics.microct.measure import Measured, measure
from periomics.microct.resample import cubes_by_slabs
from periomics.microct.slabs import empty_bits
from periomics.microct.survey import Greys
from periomics.study.measurements import concatenate
from periomics.study.settings.microct import Microct

# The scan as it is measured, masks by hand, and how it is measured with masks.
Prepared = tuple[SlabReader, Corrected[Any] | None, Callable[[Corrected[Any] | None], Large]]
FACT_COLUMNS = ("fact", "value", "source")
# Outcomes that are also given as they would be without the corrected mask.
BEFORE = ("bvtv", "bv", "tv", "tbth", "tbsp", "ovtv", "bic_ct")
NOT_STATED = "not stated"


@dataclass(frozen=True)
class Volumes:
    """Label map and maps of thickness and separation (mm) of a scan, each as (first voxel, shape, planes), and their frame."""

    frame: Frame
    labels: Placed
    thickness: Placed
    separation: Placed


@dataclass(frozen=True)
class Scan:
    """A measured scan, grey values on the grid of its picture, facts that the field's guideline asks for, volumes to write."""

    measured: Measured
    grey: NDArray
    facts: pd.DataFrame
    volumes: Volumes


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
    source = open_volume(path, None if stated in (None, "") else float(str(stated)))
    settings = batch_settings(settings, batch or {})
    calibration = calibration_of(settings, source.facts, batch or {})
    scan = cubes_by_slabs(source) if settings.voxels == "resample" else source
    drawn = open_volume(mask, isotropic_voxel(scan.spacing_um)) if mask else None
    measuring = _at_once if fits(scan.shape, settings.memory_mb) else _by_parts
    scan, by_hand, again = measuring(
        scan,
        drawn,
        str(mask),
        settings=settings,
        common=common,
        threads=threads,
        calibration=calibration,
    )
    found = again(by_hand)
    if drawn is not None:
        table = _with_before(found.measured, row, lambda: again(None).measured)
        found = replace(found, measured=replace(found.measured, table=table))
    facts = scan_facts(source, row, settings, found)
    at = frame_of(source.facts, scan.spacing_um)
    labels = ((0, 0, 0), scan.shape, found.labels)
    return Scan(found.measured, found.grey, facts, Volumes(at, labels, *found.maps))


def _at_once(
    scan: SlabReader,
    drawn: SlabReader | None,
    name: str,
    *,
    settings: Microct,
    common: Mapping[str, object],
    threads: int,
    calibration: Calibration | None,
) -> Prepared:
    """A scan that fits into memory."""
    grey = scan.slab(0, scan.shape[0])
    by_hand = None if drawn is None else corrected(drawn.slab(0, drawn.shape[0]), scan.shape, name)

    def again(masks: Corrected[NDArray[np.bool_]] | None) -> Large:
        found = measure(
            grey,
            scan.spacing_um,
            settings.but(voxels="cubes"),
            common=common,
            threads=threads,
            calibration=calibration,
            by_hand=masks,
        )
        whole = partial(held, (0, 0, 0), three(grey.shape))
        maps = whole(found.thickness_mm), whole(found.separation_mm)
        greys = Greys(float(grey.min()), float(grey.max()), grey.dtype, 0, empty_bits((0, 0, 0)))
        return Large(found, grey, greys, lambda a, b: found.labels[a:b], maps, "at once")

    return scan, by_hand, again


def _by_parts(
    scan: SlabReader,
    drawn: SlabReader | None,
    name: str,
    *,
    settings: Microct,
    common: Mapping[str, object],
    threads: int,
    calibration: Calibration | None,
) -> Prepared:
    """A scan that does not; what can only be read whole is read once, if that fits."""
    scan = _by_planes(scan, settings.memory_mb)
    drawn = None if drawn is None else _by_planes(drawn, settings.memory_mb)
    by_hand = None if drawn is None else corrected_by_slabs(drawn, scan.shape, 16, name)
    return (
        scan,
        by_hand,
        lambda masks: measure_large(scan, settings, common, threads, calibration, masks),
    )


def _by_planes(scan: SlabReader, memory_mb: float) -> SlabReader:
    """A scan whose planes can be read one by one; raises SpecimenError where it is read whole and does not fit."""
    if not scan.whole:
        return scan
    kind = np.dtype(scan.dtype if scan.dtype != "native" else "int16")
    need = 2 * kind.itemsize * math.prod(scan.shape) / 1e6
    if need > memory_mb:
        raise SpecimenError(
            f"microct/memory_mb is too little for this scan: {scan.format} of this kind is read whole, {need:.0f} MB needed, "
            f"{memory_mb:g} allowed; planes, or a format that is not compressed as a whole, need less"
        )
    return in_a_file(scan)


def _with_before(found: Measured, row: Mapping[str, object], again) -> pd.DataFrame:
    """The table with who corrected what and why, and the main outcomes as they were before (`mask=before`)."""
    by, why = (str(row.get(c) or NOT_STATED) for c in ("mask_by", "mask_reason"))
    table = found.table.copy()
    table["method"] = table["method"] + f"; mask by {by}, reason: {why}"
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
    scan: SlabReader, row: Mapping[str, object], settings: Microct, found: Large
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
    measured, axis = found.measured, found.measured.regions.axis
    table = measured.table
    region = table.loc[(table["outcome"] == "tv") & (table["variant"] == ""), "value"].item()
    for_memory = table["qc_reason"].str.startswith((TOO_LITTLE, NO_FIELD))
    left_out = table.loc[for_memory, ["outcome", "variant"]]
    rows += [
        ("processing", settings.describe(), "config"),
        ("measured", found.how, "config"),
        (
            "left out for memory",
            ", ".join(" ".join(r).strip() for r in left_out.to_numpy()) or "nothing",
            "measured",
        ),
        ("region, mm3", f"{region:.6g}", "measured"),
        (
            "implant length, mm",
            _text(None if axis is None else f"{axis.length * measured.voxel_um / 1000:.6g}"),
            "measured",
        ),
        (
            "implant tilt to z, degree",
            _text(None if axis is None else f"{axis.tilt_degrees:.4g}"),
            "measured",
        ),
        ("warnings", "; ".join(measured.warnings) or "none", "measured"),
    ]
    return pd.DataFrame(rows, columns=list(FACT_COLUMNS))


def _text(value: object) -> str:
    text = " ".join(str(value).split()) if value is not None and value == value else ""
    return text or NOT_STATED
