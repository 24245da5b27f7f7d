"""Junction proteins (E-cadherin, ZO-1, claudins): edge over cytoplasm, and the share of cell
borders that is positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from periomics.core.spread import robust_spread
from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    counted,
    dilate,
    keep_labels,
    measurement,
    object_table,
    opening,
    split_touching,
)
from periomics.histology.settings import outcome_name
from periomics.imaging.rois import outlines
from periomics.imaging.stains import FULL

DEFAULTS = {"ratio": "junc", "borders": "junc_pos"}


@dataclass(frozen=True)
class Options:
    """nucleus_um: usual diameter of nuclei; smallest_um2 of one; reach_um: how far from its nucleus
    a cell reaches; edge_um: how far from where cells meet the edge is looked for; clear_um:
    cytoplasm begins that far from there; corner_um: borders that close to a third cell are left
    out; times: as many times the cytoplasm of its cell must a border be to be positive; background:
    what shines without the primary antibody, % of the highest intensity (of fluorescence; needed
    there)."""

    nucleus_um: float = 8.0
    smallest_um2: float = 15.0
    reach_um: float = 15.0
    edge_um: float = 1.0
    clear_um: float = 3.0
    corner_um: float = 2.0
    times: float = 2.0
    background: float = 0.0


class Cells(NamedTuple):
    """Labels of cells, and as masks where two cells meet and their cytoplasm."""

    labels: np.ndarray
    edge: np.ndarray
    cytoplasm: np.ndarray


def find(prepared: Prepared, options: Options) -> Cells:
    """Cells around the nuclei of the counterstain, parted where the marker is strongest between
    two, or half-way where there is none.

    Neither alone would do: the marker's ridges are noise where it is absent, and half-way is not
    where membranes lie.
    """
    from skimage.segmentation import watershed

    pixel = prepared.pixel_um
    blue = opening((prepared.other >= prepared.second) & prepared.opened.region, 0.5, pixel)
    seeds = split_touching(blue, options.nucleus_um, pixel)
    seeds = keep_labels(seeds, np.bincount(seeds.ravel()) * pixel**2 >= options.smallest_um2)
    away = _away(seeds > 0, pixel)
    inside = (away <= options.reach_um) & prepared.opened.region
    usual = float(prepared.target[inside].mean()) if inside.any() else 1.0
    height = away / options.reach_um + prepared.target / max(2 * usual, 1e-6)
    labels = watershed(height, seeds, mask=inside).astype(np.int32)
    meeting = _meeting(labels)
    edge = meeting & ~dilate(_corners(labels), options.corner_um, pixel)
    near = dilate(meeting, options.clear_um, pixel) | dilate(seeds > 0, 2 * pixel, pixel)
    return Cells(labels, edge, (labels > 0) & ~near)


def _away(mask: np.ndarray, pixel_um: float) -> np.ndarray:
    from edt import edt

    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    return edt(~mask, anisotropy=(pixel_um, pixel_um), black_border=False)


def _meeting(labels: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour belongs to another cell."""
    edge = np.zeros(labels.shape, bool)
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        first, second = labels[one], labels[other]
        edge[one] |= (first != second) & (first > 0) & (second > 0)
    return edge


def _corners(labels: np.ndarray) -> np.ndarray:
    """Pixels of a square of four that belongs to three cells or more: one border's marker covers
    the ends of the others there."""
    four = np.stack([labels[:-1, :-1], labels[:-1, 1:], labels[1:, :-1], labels[1:, 1:]])
    four.sort(axis=0)
    kinds = (four[0] > 0).astype(int) + ((np.diff(four, axis=0) > 0) & (four[1:] > 0)).sum(axis=0)
    corner = np.zeros(labels.shape, bool)
    corner[:-1, :-1] = kinds >= 3
    return corner


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Ratio `junc`: mean of the marker at the edge of cells over its mean in their cytoplasm,
    without the background; share of the borders between two cells that stand out from the
    cytoplasm, `junc_pos` (%).

    The edge is the highest value within `edge_um` of where cells meet, less what noise raises the
    highest of as many pixels by in the cytoplasm. A border is positive by contrast with the
    cytoplasm of its own cell, and not by a level of the batch, which a marker between few cells
    does not give. Variants of the threshold are of `times`.
    """
    cells, settings, pixel = find(prepared, options), prepared.settings, prepared.pixel_um
    peak = peaks(prepared, options)
    n, roi = int(cells.labels.max()), settings.roi
    lined = standing_out(cells, peak, options.times * factor)
    rows = []
    if name := outcome_name(settings, "borders", DEFAULTS["borders"]):
        part, whole = (float(m.sum()) * pixel / 1000 for m in (lined, cells.edge))
        value, of = 100 * part / whole if whole else 0, Of(part, whole, "mm")
        method = f"{_marker(prepared)} at {options.times * factor:g} times the cytoplasm or more"
        row = measurement(name, roi, value, "%", of, n_sub=n, method=method, variant=variant)
        rows.append(row)
    if variant:
        return Readout(rows)
    if name := outcome_name(settings, "ratio", DEFAULTS["ratio"]):
        edge, inner = _levels(prepared, options, cells, peak)
        of, value = Of(edge, inner, "intensity"), edge / inner if inner > 0 else 0
        method = (
            f"{_marker(prepared)} at borders over cytoplasm, background {options.background:g} %"
        )
        rows.append(measurement(name, roi, value, "1", of, n_sub=n, method=method))
    own = [np.bincount(cells.labels[m], minlength=n + 1)[1:] for m in (lined, cells.edge)]
    objects = object_table(cells.labels, prepared, od=prepared.target)
    objects["positive_percent"] = 100 * own[0] / np.maximum(own[1], 1)
    objects["counted"] = counted(cells.labels, prepared.opened.region, prepared.opened.frame)
    half = objects["positive_percent"] >= 50
    objects["class"] = np.select([~objects["counted"], half], ["excluded", "positive"], "negative")
    shapes = outlines(cells.labels, prepared.opened.scale, prepared.opened.offset)
    return Readout(rows, objects, shapes)


def peaks(prepared: Prepared, options: Options) -> np.ndarray:
    """Highest amount of the marker within `edge_um` of each pixel, above the background."""
    from scipy.ndimage import maximum_filter

    wide = 2 * max(1, round(options.edge_um / prepared.pixel_um)) + 1
    return maximum_filter(prepared.target, wide) - np.float32(_blank(prepared, options))


def standing_out(cells: Cells, peak: np.ndarray, times: float) -> np.ndarray:
    """Edges that are so many times the cytoplasm of their cell, and above it by three of its
    spreads."""
    n = int(cells.labels.max())
    if not cells.cytoplasm.any():
        return np.zeros(peak.shape, bool)
    inner = cells.labels[cells.cytoplasm]
    size = np.bincount(inner, minlength=n + 1)
    mean = np.bincount(inner, peak[cells.cytoplasm], minlength=n + 1) / np.maximum(size, 1)
    mean = np.where(size > 0, mean, peak[cells.cytoplasm].mean()).clip(0)
    spread = robust_spread(peak[cells.cytoplasm] - mean[inner])
    level = np.maximum(times * mean, mean + 3 * spread)
    return cells.edge & (peak >= level[cells.labels])


def _levels(
    prepared: Prepared, options: Options, cells: Cells, peak: np.ndarray
) -> tuple[float, float]:
    """Mean marker at the edges and in the cytoplasm, above the background; 0 where there is none of
    it."""
    if not (cells.edge.any() and cells.cytoplasm.any()):
        return 0.0, 0.0
    inner = float(prepared.target[cells.cytoplasm].mean()) - _blank(prepared, options)
    raised = float(peak[cells.cytoplasm].mean()) - inner
    return float(peak[cells.edge].mean()) - raised, inner


def _blank(prepared: Prepared, options: Options) -> float:
    return FULL * options.background / 100 if prepared.settings.shines else 0.0


def _marker(prepared: Prepared) -> str:
    return prepared.settings.pair.stains[prepared.settings.target]
