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
    density,
    fill_holes,
    keep_labels,
    label,
    level_text,
    measurement,
    object_table,
    opening,
    tissue_mask,
)
from periomics.histology.settings import outcome_name
from periomics.imaging import nuclei as network_nuclei
from periomics.imaging.rois import outlines

# Results that need a chromogen in the nuclei.
GRADED = ("positive", "density", "h_score", "allred")
# Allred: shares of positive nuclei from which the score of proportion is 2 to 5, and mean grades above which that of intensity is 2, 3.
PROPORTIONS, GRADES = (0.01, 0.1, 1 / 3, 2 / 3), (5 / 3, 7 / 3)


@dataclass(frozen=True)
class Options:
    """nucleus_um: usual diameter; smallest_um2, largest_um2; local_um: width of the neighbourhood of the local threshold;
    lower_od: what counts as brown when nuclei are looked for; expand_um: outlines are grown by this, since thresholds cut
    the blurred rim; moderate and strong: grades above the threshold, as multiples of it; glass_um2: bright parts of at least
    this are no tissue. The network needs nucleus_um, smallest_um2 and largest_um2 only."""

    nucleus_um: float = 6.5
    smallest_um2: float = 8.0
    largest_um2: float = 400.0
    local_um: float = 25.0
    lower_od: float = 0.15
    expand_um: float = 0.25
    moderate: float = 2.0
    strong: float = 3.0
    glass_um2: float = 1000.0


def find(prepared: Prepared, options: Options) -> np.ndarray:
    """Labels of nuclei, in the whole image, as the settings say they are found."""
    if "nuclei" not in prepared.kept:
        by = _by_network if _networked(prepared) else _by_thresholds
        prepared.kept["nuclei"] = by(prepared, options)
    return prepared.kept["nuclei"]


def _networked(prepared: Prepared) -> bool:
    """Whether nuclei are found by the network, which knows colours of bright fields only."""
    return prepared.settings.nuclei == "network" and not prepared.settings.shines


def _by_network(prepared: Prepared, options: Options) -> np.ndarray:
    """Bodies that the network sees outside the implant, of the sizes of nuclei."""
    opened, pixel = prepared.opened, prepared.pixel_um
    if prepared.settings.network is None:
        raise ValueError("nuclei are to be found by the network, and none was given")
    view = network_nuclei.absorbing(opened.rgb, prepared.white)
    view[opened.implant] = 0
    labels, _ = network_nuclei.find(prepared.settings.network, view, options.nucleus_um / pixel)
    labels[opened.implant] = 0
    size = np.bincount(labels.ravel()) * pixel**2
    return keep_labels(labels, (size >= options.smallest_um2) & (size <= options.largest_um2))


def _by_thresholds(prepared: Prepared, options: Options) -> np.ndarray:
    """Labels by amounts of the two stains.

    Blue and brown are looked for apart and joined, since neither channel sees both: brown by its amount; blue by the
    batch's threshold and above its neighbourhood. Touching nuclei are split at maxima of distance and blob response.
    """
    from scipy.ndimage import gaussian_filter, gaussian_laplace, uniform_filter
    from skimage.segmentation import expand_labels

    pixel = prepared.pixel_um
    blue, brown_amount = prepared.other, prepared.target
    free = ~prepared.opened.implant
    # A nuclear marker that shines does so within nuclei, which the counterstain shows whatever they are positive for.
    if prepared.settings.shines:
        brown_amount = np.zeros_like(blue)
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
    """What the config names under `outcomes`: `positive` (% of all nuclei), `density` (positive ones per mm² of tissue), `all`
    (nuclei per mm² of tissue), `h_score` (0-300, 100 × (weak + 2 moderate + 3 strong) / all), `allred` (0-8).

    A nucleus is positive if its mean DAB, or marker that shines, reaches the threshold.
    """
    settings = prepared.settings
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
    graded = [outcome_name(settings, k, "") for k in GRADED]
    by_grade = np.where(table["grade"] > 0, "positive", "negative") if any(graded) else "nucleus"
    table["class"] = np.where(~table["counted"], "excluded", by_grade)
    grades = table.loc[table["counted"], "grade"].to_numpy()
    rows = _rows(prepared, options, grades, level, variant)
    if variant:
        return Readout(rows)
    return Readout(rows, table, outlines(labels, prepared.opened.scale, prepared.opened.offset))


def _rows(
    prepared: Prepared, options: Options, grades: np.ndarray, level: float, variant: str
) -> list[dict[str, object]]:
    """Rows of the outcomes that the config names; those that no threshold moves have no variants."""
    settings, roi = prepared.settings, prepared.settings.roi
    n, positive = len(grades), int((grades > 0).sum())
    how = "network" if _networked(prepared) else "thresholds"
    method = f"nuclei by {how}, mean of the nucleus {level_text(prepared, level)}"
    named = {k: outcome_name(settings, k, "") for k in (*GRADED, "all")}
    if variant:
        named |= {"all": "", "h_score": "", "allred": ""}
    rows = []
    if name := named["positive"]:
        share, of = 100 * positive / max(n, 1), Of(positive, n, "nuclei")
        rows.append(measurement(name, roi, share, "%", of, n_sub=n, method=method, variant=variant))
    if named["density"] or named["all"]:
        area = float(tissue_mask(prepared, options.glass_um2).sum()) * prepared.pixel_um**2
        for key, count in (("density", positive), ("all", n)):
            if name := named[key]:
                told = method if key == "density" else f"nuclei by {how}"
                rows.append(density(name, roi, count, area, n_sub=n, method=told, variant=variant))
    if name := named["h_score"]:
        total = int(grades.sum())
        score, of = 100 * total / max(n, 1), Of(total, n, "nuclei")
        rows.append(measurement(name, roi, score, "1", of, n_sub=n, method=method))
    if name := named["allred"]:
        allred = allred_score(grades)
        of = Of(allred * n, n, "nuclei")
        rows.append(measurement(name, roi, allred, "1", of, n_sub=n, method=method))
    return rows


def allred_score(grades: np.ndarray) -> int:
    """Proportion (0-5) plus intensity (0-3) of the grades (0-3) of all nuclei, as QuPath forms them: 0, or 2 to 8."""
    positive = grades[grades > 0]
    if not len(positive):
        return 0
    share, mean = len(positive) / len(grades), float(positive.mean())
    return 2 + sum(share >= p for p in PROPORTIONS) + sum(mean > g for g in GRADES)
