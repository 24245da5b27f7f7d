"""Writing what a scan leaves behind, measured or not: tables, picture, label map and maps of thickness and separation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from periomics.microct.contact import CURVE_COLUMNS
from periomics.microct.picture import overlay
from periomics.microct.readers import probe
from periomics.microct.scan import FACT_COLUMNS, Scan
from periomics.microct.writers import write_volume
from periomics.study.errors import InputError
from periomics.study.figures import message, save
from periomics.study.measurements import COLUMNS, failed
from periomics.study.results import write_result


def write_scan(scan: Scan, title: str, band_um: float, out: Any) -> None:
    """Write a measured scan; `out` names the files: overlay, labels, thickness, separation, curves, facts, measurements."""
    found, edges = scan.measured, (scan.measured.voxel_um,) * 3
    save(overlay(scan.grey, found, title, band_um), out.overlay)
    write_volume(found.labels, edges, out.labels)
    write_volume(found.thickness_mm, edges, out.thickness)
    write_volume(found.separation_mm, edges, out.separation)
    write_result(found.curves, out.curves, CURVE_COLUMNS)
    write_result(scan.facts, out.facts, FACT_COLUMNS)
    write_result(found.table, out.measurements, COLUMNS)


def write_nothing(path: str, reason: str, outcomes: Sequence[str], common: Mapping[str, object], out: Any) -> None:
    """Write a scan that is not measured: rows with the reason, and maps of zeros in its shape (one voxel if unreadable)."""
    try:
        header = probe(path)
        shape, spacing = header.shape, header.spacing_um or (1.0,) * 3
    except InputError:
        shape, spacing = (1, 1, 1), (1.0,) * 3
    message(out.overlay, reason)
    write_volume(np.zeros(shape, np.uint8), spacing, out.labels)
    for name in (out.thickness, out.separation):
        write_volume(np.zeros(shape, np.float32), spacing, name)
    write_result(pd.DataFrame(columns=list(CURVE_COLUMNS)), out.curves, CURVE_COLUMNS)
    write_result(pd.DataFrame([("not measured", reason, "")], columns=list(FACT_COLUMNS)), out.facts, FACT_COLUMNS)
    rows = failed(outcomes, reason, modality="microct", level="specimen", **common)
    write_result(rows, out.measurements, COLUMNS)
