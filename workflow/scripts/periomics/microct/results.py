"""Writing what a scan leaves behind, measured or not: tables, picture, label map and maps of thickness and separation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.errors import InputError
from periomics.core.figures import message, save
from periomics.core.files import atomic
from periomics.core.results import write_result
from periomics.microct.contact import CURVE_COLUMNS
from periomics.microct.formats.nifti import Frame, frame_of, write_nifti
from periomics.microct.formats.readers import probe
from periomics.microct.measure import Placed
from periomics.microct.picture import overlay
from periomics.microct.scan import FACT_COLUMNS, Scan
from periomics.study.measurements import COLUMNS, failed

# Files of voxels and their types; planes of a file that are made at a time.
VOLUMES = {"labels": "uint8", "thickness": "float32", "separation": "float32"}
PLANES = 8


def write_scan(scan: Scan, title: str, band_um: float, out: Any) -> None:
    """Write a measured scan; `out` names the files: overlay, labels, thickness, separation, curves, facts, measurements."""
    found = scan.measured
    save(overlay(found, title, band_um), out.overlay)
    placed = (((0, 0, 0), scan.shape, found.labels), *found.maps)
    for (name, dtype), volume in zip(VOLUMES.items(), placed, strict=True):
        _write_planes(getattr(out, name), dtype, volume, scan.frame)
    write_result(found.curves, out.curves, CURVE_COLUMNS)
    write_result(scan.facts, out.facts, FACT_COLUMNS)
    write_result(found.table, out.measurements, COLUMNS)


def _write_planes(path: str, dtype: str, placed: Placed, frame: Frame) -> None:
    at, shape, planes = placed
    slabs = (planes(z, min(shape[0], z + PLANES)) for z in range(0, shape[0], PLANES))
    with atomic(path) as part:
        write_nifti(part, shape, dtype, slabs, frame, at)


def write_nothing(
    path: str, reason: str, outcomes: Sequence[str], common: Mapping[str, object], out: Any
) -> None:
    """Write a scan that is not measured: rows with the reason, and maps of zeros in its shape (one voxel if unreadable)."""
    try:
        header = probe(path)
        shape, frame = header.shape, frame_of(header.facts, header.spacing_um or (1.0,) * 3)
    except InputError:
        shape, frame = (1, 1, 1), Frame((0.001,) * 3)
    message(out.overlay, reason)
    for name, dtype in VOLUMES.items():
        empty = ((0, 0, 0), shape, lambda a, b, t=dtype: np.zeros((b - a, *shape[1:]), t))
        _write_planes(getattr(out, name), dtype, empty, frame)
    write_result(pd.DataFrame(columns=list(CURVE_COLUMNS)), out.curves, CURVE_COLUMNS)
    write_result(
        pd.DataFrame([("not measured", reason, "")], columns=list(FACT_COLUMNS)),
        out.facts,
        FACT_COLUMNS,
    )
    rows = failed(outcomes, reason, modality="microct", level="specimen", **common)
    write_result(rows, out.measurements, COLUMNS)
