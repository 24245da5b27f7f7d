"""Nuclei that are blue, brown or both: share of positive ones (Ki67, TUNEL), H-score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    close_gaps,
    counted,
    fill_holes,
    keep_labels,
    label,
    measurement,
    object_table,
    opening,
)
from periomics.histology.settings import outcome_name
from periomics.imaging.rois import outlines


@dataclass(frozen=True)
class Options:
    """nucleus_um: usual diameter; smallest_um2, largest_um2; local_um: width of the neighbourhood of the local threshold;
    lower_od: what counts as brown when nuclei are looked for; expand_um: outlines are grown by this, since thresholds cut
    the blurred rim; moderate and strong: grades above the threshold, as multiples of it."""

    nucleus_um: float = 6.5
    smallest_um2: float = 8.0
    largest_um2: float = 400.0
    local_um: float = 25.0
    lower_od: float = 0.15
    expand_um: float = 0.25
    moderate: float = 2.0
    strong: float = 3.0


def find(prepared: Prepared, options: Options) -> np.ndarray:
    """Labels of nuclei, in the whole image.

    Blue and brown are looked for apart and joined, since neither channel sees both: brown by its amount; blue by the
    batch's threshold and above its neighbourhood. Touching nuclei are split at maxima of distance and blob response.
    """
    from scipy.ndimage import gaussian_filter, gaussian_laplace, uniform_filter
    from skimage.segmentation import expand_labels

    pixel = prepared.pixel_um
    blue, brown_amount = prepared.other, prepared.target
    free = ~prepared.opened.implant
    brown = brown_amount > options.lower_od
    local = blue > uniform_filter(blue, max(3, round(options.local_um / pixel)))
    mask = ((blue > prepared.second) & local | brown) & free
    mask = opening(mask, 0.5, pixel)
    mask = fill_holes(close_gaps(mask, 0.5, pixel), options.largest_um2 / 4, pixel)
    seeds = _seeds(
        blue + brown_amount, mask, options.nucleus_um / 2, pixel, gaussian_filter, gaussian_laplace
    )
    labels = _grow(seeds, mask, pixel)
    labels = expand_labels(labels, options.expand_um / pixel)
    size = np.bincount(labels.ravel()) * pixel**2
    return keep_labels(labels, (size >= options.smallest_um2) & (size <= options.largest_um2))


def _seeds(amount, mask, radius, pixel, gaussian_filter, gaussian_laplace) -> np.ndarray:
    """Maxima of distance to the edge (in radii) plus blob response of a nucleus's size, numbered in raster order."""
    from edt import edt
    from skimage.feature import peak_local_max

    depth = edt(mask, anisotropy=(pixel, pixel), black_border=False) / radius
    sigma = radius / np.sqrt(2) / pixel
    blob = -gaussian_laplace(amount.astype(np.float32), sigma, truncate=3) * sigma**2
    spread = np.std(blob[mask]) if mask.any() else 1.0
    score = gaussian_filter(depth + 0.5 * blob / max(float(spread), 1e-6), 0.5 / pixel)
    peaks = peak_local_max(
        score,
        min_distance=max(1, round(0.9 * radius / pixel)),
        labels=label(mask),
        exclude_border=False,
    )
    peaks = peaks[np.lexsort((peaks[:, 1], peaks[:, 0]))]
    seeds = np.zeros(mask.shape, np.int32)
    seeds[peaks[:, 0], peaks[:, 1]] = np.arange(1, len(peaks) + 1)
    return seeds


def _grow(seeds: np.ndarray, mask: np.ndarray, pixel: float) -> np.ndarray:
    from edt import edt
    from skimage.segmentation import watershed

    depth = edt(mask, anisotropy=(pixel, pixel), black_border=False)
    return watershed(-depth, seeds, mask=mask).astype(np.int32)


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Positive nuclei (% of all), as the outcome that the config names under `outcomes: {positive: …}`; H-score (0-300,
    100 × (weak + 2 moderate + 3 strong) / all) where `outcomes: {h_score: …}` names one.

    A nucleus is positive if its mean DAB reaches the threshold.
    """
    settings, roi = prepared.settings, prepared.settings.roi
    labels = find(prepared, options)
    table = object_table(labels, prepared, dab_od=prepared.target, haematoxylin_od=prepared.other)
    level = prepared.threshold * factor
    od = table["dab_od"].to_numpy()
    table["grade"] = (
        (od >= level).astype(int)
        + (od >= level * options.moderate)
        + (od >= level * options.strong)
    )
    table["counted"] = counted(labels, prepared.opened.region, prepared.opened.frame)
    table["class"] = np.where(
        ~table["counted"], "excluded", np.where(table["grade"] > 0, "positive", "negative")
    )
    grades = table.loc[table["counted"], "grade"]
    n, positive = len(grades), int((grades > 0).sum())
    method = f"mean DAB of the nucleus at or above {level:.4f} OD"
    rows = []
    if name := outcome_name(settings, "positive", ""):
        share, of = 100 * positive / max(n, 1), Of(positive, n, "nuclei")
        rows.append(measurement(name, roi, share, "%", of, n_sub=n, method=method, variant=variant))
    if variant:
        return Readout(rows)
    if name := outcome_name(settings, "h_score", ""):
        total = int(grades.sum())
        score, of = 100 * total / max(n, 1), Of(total, n, "nuclei")
        rows.append(measurement(name, roi, score, "1", of, n_sub=n, method=method))
    return Readout(rows, table, outlines(labels, prepared.opened.scale, prepared.opened.offset))
