"""What all scans of a batch share, blind to arms: the bone threshold from their pooled grey values, the phantom's line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.errors import InputError, PeriomicsError
from periomics.microct.budget import slab_planes
from periomics.microct.density import fit_phantom
from periomics.microct.distance import squared_distance
from periomics.microct.formats.header import isotropic_voxel
from periomics.microct.formats.lazy import SlabReader
from periomics.microct.members import LEAST, away
from periomics.microct.slabs import slabs, smoothed_slabs
from periomics.study.settings.microct import Microct

COLUMNS = (
    "batch",
    "bone_threshold",
    "rule",
    "n_scans",
    "slope",
    "intercept",
    "residual",
    "phantom",
    "reason",
)
Read = Callable[[Mapping[str, object]], SlabReader]


def batch_row(
    batch: str, rows: Sequence[Mapping[str, object]], settings: Microct, read: Read
) -> pd.DataFrame:
    """The one row of a scan batch.

    Parameters
    ----------
    batch
        Its name.
    rows
        The sheet's rows of its scans; those of role `phantom` are used for the calibration only.
    settings
        The study's.
    read
        Reads the scan of a row.

    Returns
    -------
    Columns COLUMNS; what the settings do not ask for is missing, what could not be had is missing with its reason. A scan
    that cannot be read is left out and named.
    """
    found: dict[str, object] = {"batch": batch, "rule": settings.threshold_rule}
    reasons: list[str] = []
    if settings.threshold_rule == "otsu":
        threshold, used = pooled_otsu(
            [r for r in rows if r.get("role") != "phantom"], settings, read, reasons
        )
        found |= {"bone_threshold": threshold, "n_scans": used}
    if settings.calibration == "phantom":
        found |= _phantom([r for r in rows if r.get("role") == "phantom"], settings, read, reasons)
    return pd.DataFrame([{**found, "reason": "; ".join(reasons)}], columns=list(COLUMNS))


def pooled_otsu(
    rows: Sequence[Mapping[str, object]], settings: Microct, read: Read, reasons: list[str]
) -> tuple[float | None, int]:
    """Otsu's threshold of the smoothed grey values of all scans, each of the same weight; and how many scans gave values.

    Left out: metal, its exclusion band, and what is darker than `air_below`; and a minority of
    scans that are brighter or darker than the others, which would move the threshold of all.
    """
    from skimage.filters import threshold_otsu

    scans = []
    for row in rows:
        try:
            scan = read(row)
            if (ends := _range(scan, settings)) is not None:
                scans.append((scan, ends, str(row.get("specimen_id"))))
        except PeriomicsError as error:
            reasons.append(f"{row.get('specimen_id')} left out: {' '.join(str(error).split())}")
    low = min((ends[0] for _, ends, _ in scans), default=0.0)
    high = max((ends[1] for _, ends, _ in scans), default=0.0)
    if low == high:
        reasons.append("no scan gives grey values for a threshold")
        return None, len(scans)
    edges = np.linspace(low, high, settings.otsu_bins + 1)
    shares, middles = np.zeros((len(scans), settings.otsu_bins)), (edges[:-1] + edges[1:]) / 2
    for share, (scan, _, _) in zip(shares, scans, strict=True):
        for values in _tissue(scan, settings):
            share += np.histogram(values, edges)[0]
        share /= share.sum()
    odd = _odd(shares, middles, settings)
    reasons += [f"{scans[k][2]} left out: brighter or darker than the others" for k in odd]
    total = np.delete(shares, odd, axis=0).sum(axis=0)
    return float(threshold_otsu(hist=(total, middles))), len(scans) - len(odd)


def _odd(
    shares: NDArray[np.float64], middles: NDArray[np.float64], settings: Microct
) -> NDArray[np.int64]:
    """Scans whose two classes of grey values lie beyond the limit from those of the others; none
    where they are no minority."""
    from skimage.filters import threshold_otsu

    if len(shares) < LEAST:
        return np.array([], int)
    means = []
    for share in shares:
        bone = middles > threshold_otsu(hist=(share, middles))
        means.append([np.average(middles[m], weights=share[m]) for m in (~bone, bone)])
    odd = np.flatnonzero((away(np.array(means)) > settings.max_beside_percent).any(axis=1))
    return odd if 2 * len(odd) < len(shares) else odd[:0]


def _range(scan: SlabReader, settings: Microct) -> tuple[float, float] | None:
    """Smallest and largest grey value that counts; None where there is none."""
    ends = [(float(v.min()), float(v.max())) for v in _tissue(scan, settings) if v.size]
    return (min(a for a, _ in ends), max(b for _, b in ends)) if ends else None


def _tissue(scan: SlabReader, settings: Microct) -> Iterator[NDArray[np.float32]]:
    """Smoothed grey values outside metal and band, and not air, slab by slab."""
    voxel_um, sigma = isotropic_voxel(scan.spacing_um), settings.prefilter_sigma_voxels
    reach = (
        int(np.ceil(settings.voi.inner_um / voxel_um)) + 1 if settings.implant == "required" else 0
    )
    planes = slab_planes(settings.memory_mb, scan.shape, 2 * reach)
    for low, grey in smoothed_slabs(
        scan.slab, scan.shape, sigma, planes, "grey values of the batch"
    ):
        keep = np.ones(grey.shape, bool)
        if reach:
            first, last = max(0, low - reach), min(scan.shape[0], low + len(grey) + reach)
            free = scan.slab(first, last) < settings.implant_threshold
            square = squared_distance(free, 1, reach, slice(low - first, low - first + len(grey)))
            keep = np.sqrt(square.astype(np.float32)) * np.float32(voxel_um) > settings.voi.inner_um
        if settings.air_below is not None:
            keep &= grey >= settings.air_below
        yield grey[keep].astype(np.float32)


def _phantom(
    rows: Sequence[Mapping[str, object]], settings: Microct, read: Read, reasons: list[str]
) -> dict[str, object]:
    """Slope, intercept and largest residual of the batch's phantom; the mean line where it has several."""
    lines = []
    for row in rows:
        try:
            scan = read(row)
            planes = slab_planes(settings.memory_mb, scan.shape)
            mean = (
                sum(
                    plane
                    for low, high in slabs(scan.shape[0], planes, "phantom")
                    for plane in scan.slab(low, high).astype(np.float64)
                )
                / scan.shape[0]
            )
            lines.append(fit_phantom(mean, settings.phantom_rods_mgha, row.get("specimen_id")))
        except InputError as error:
            reasons.append(f"phantom {row.get('specimen_id')}: {' '.join(str(error).split())}")
    if not lines:
        reasons.append("the batch has no usable scan of role phantom")
        return {}
    slope, intercept, _ = np.mean(lines, axis=0)
    names = " ".join(str(r.get("specimen_id")) for r in rows)
    return {
        "slope": slope,
        "intercept": intercept,
        "residual": max(line[2] for line in lines),
        "phantom": names,
    }
