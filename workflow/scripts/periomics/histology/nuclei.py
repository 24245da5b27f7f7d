"""Nuclei that are blue, brown or both: share of positive ones (Ki67, TUNEL), H-score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from periomics.core.quality import Fact
from periomics.core.spread import robust_spread
from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    close_gaps,
    counted,
    density,
    fill_holes,
    flooded,
    glass_fact,
    keep_labels,
    label,
    level_words,
    measurement,
    object_table,
    opening,
    tissue_mask,
)
from periomics.histology.edits import Edits, accepted, as_edited, said
from periomics.histology.settings import StainSettings, outcome_name
from periomics.imaging import blocks, user_model
from periomics.imaging import nuclei as network_nuclei
from periomics.imaging.boxes import Box
from periomics.imaging.rois import outlines
from periomics.imaging.stains import FULL

# Gaps that are closed, and specks that are left out.
CLOSED_UM = 0.5
# Results that need a chromogen in the nuclei.
GRADED = ("positive", "density", "h_score", "allred")
# Allred: shares of positive nuclei from which the score of proportion is 2 to 5, and mean grades
# above which that of intensity is 2, 3.
PROPORTIONS, GRADES = (0.01, 0.1, 1 / 3, 2 / 3), (5 / 3, 7 / 3)


# An edge is so many σ of its blur wide; DAB is as dense in the channel that it absorbs most of.
EDGE_SIGMAS, DENSEST_CHANNEL = 2.5, 0.75


# Dim nuclei of fluorescence: from such a share of the way to the threshold on, and so many spreads
# of the ground.
DIM, DIM_SPREADS = 0.2, 8.0
# A nucleus is doubtful from such a share of the way to the marker's threshold on, or with so much
# of its core (µm²) above it; two are chance.
DOUBT, FOCUS_UM2, CHANCE = 0.5, 0.3, 2


class Core(NamedTuple):
    """What of a nucleus is its core: deeper than `um`, and at least at that share of the deepest
    place; 0 µm for all of it."""

    um: float
    share: float


@dataclass(frozen=True)
class Options:
    """nucleus_um: usual diameter; smallest_um2, largest_um2; local_um: width of the neighbourhood of the local threshold;
    lower_od: what counts as brown when nuclei are looked for; expand_um: outlines are grown by this, since thresholds cut
    the blurred rim; core_um, core_share: in a bright field grades are of what lies deeper, and at
    least at that share of the deepest place, as the rim is paler (core_um 0: of all); the section
    is held back where blur takes more than `paled_percent` off strong cores; moderate and strong:
    grades above the threshold, as multiples of it; glass_um2: bright parts of
    at least this are no tissue; size_times: the section is held back where the typical
    nucleus is as many times larger or smaller than nucleus_um. The network needs nucleus_um,
    smallest_um2 and largest_um2 only. In fluorescence the section is held back where more than
    `doubtful_percent` of the nuclei that may be positive are near the threshold or have foci."""

    nucleus_um: float = 6.5
    smallest_um2: float = 8.0
    largest_um2: float = 400.0
    local_um: float = 25.0
    lower_od: float = 0.15
    expand_um: float = 0.25
    core_um: float = 1.0
    core_share: float = 0.65
    paled_percent: float = 3.0
    moderate: float = 2.0
    strong: float = 3.0
    glass_um2: float = 1000.0
    size_times: float = 1.5
    doubtful_percent: float = 8.0

    @property
    def core(self) -> Core:
        return Core(self.core_um, self.core_share)


def find(prepared: Prepared, options: Options) -> np.ndarray:
    """Labels of nuclei, in the whole image, as the settings say they are found."""
    if "nuclei" not in prepared.kept:
        by = _by_network if networked(prepared.settings) else _by_thresholds
        by = _by_model if prepared.settings.model else by
        prepared.kept["nuclei"] = by(prepared, options)
    return prepared.kept["nuclei"]


def networked(settings: StainSettings) -> bool:
    """Whether nuclei are found by the network, which knows colours of bright fields only."""
    return settings.nuclei == "network" and not settings.shines


def _by_network(prepared: Prepared, options: Options) -> np.ndarray:
    """Bodies that the network sees outside the implant, of the sizes of nuclei."""
    opened, pixel = prepared.opened, prepared.pixel_um
    if prepared.settings.network is None:
        raise ValueError("nuclei are to be found by the network, and none was given")
    whole = Box(0, 0, *opened.rgb.shape[:2])

    def read(box: Box) -> np.ndarray:
        view = network_nuclei.absorbing(opened.rgb[box.inside(whole)], prepared.white)
        view[opened.implant[box.inside(whole)]] = 0
        return view

    labels, _ = blocks.find(prepared.settings.network, whole, read, options.nucleus_um / pixel)
    labels[opened.implant] = 0
    size = np.bincount(labels.ravel()) * pixel**2
    return keep_labels(labels, (size >= options.smallest_um2) & (size <= options.largest_um2))


def _by_model(prepared: Prepared, options: Options) -> np.ndarray:
    """Bodies that a model of the user's own sees outside the implant, of the sizes of nuclei: of
    the colours, or of the counterstain that shines."""
    own, opened, pixel = prepared.settings.model, prepared.opened, prepared.pixel_um
    if own is None:
        raise ValueError("nuclei are to be found by a model, and none was given")
    view = opened.rgb.astype(np.float32) / 255
    if prepared.settings.shines:
        view = (prepared.other / FULL)[..., None].astype(np.float32)
    shape = tuple(max(1, round(n * pixel / own.pixel_um)) for n in view.shape[:2])
    seen = network_nuclei.resampled(view, shape)
    found = user_model.find(user_model.load_model(own.path, own.output), seen, own.scale)
    labels = network_nuclei.at_size(found, view.shape[:2])
    labels[opened.implant] = 0
    size = np.bincount(labels.ravel()) * pixel**2
    return keep_labels(labels, (size >= options.smallest_um2) & (size <= options.largest_um2))


def _by_thresholds(prepared: Prepared, options: Options) -> np.ndarray:
    """Labels by amounts of the two stains.

    Blue and brown are looked for apart and joined, since neither channel sees both: brown by its amount; blue by the
    batch's threshold and above its neighbourhood. Touching nuclei are split at maxima of distance and blob response.
    """
    pixel, amount = prepared.pixel_um, prepared.other + _brown(prepared)
    mask = opening(stained(prepared, options), CLOSED_UM, pixel)
    mask = fill_holes(close_gaps(mask, CLOSED_UM, pixel), options.largest_um2 / 4, pixel)
    blob = blobs(amount, options, pixel)
    labels = split(blob, mask, options, pixel, float(np.std(blob[mask])) if mask.any() else 1.0)
    size = np.bincount(labels.ravel()) * pixel**2
    return keep_labels(labels, (size >= options.smallest_um2) & (size <= options.largest_um2))


def stained(prepared: Prepared, options: Options) -> np.ndarray:
    """Pixels that are brown, or blue and bluer than what is around them, off the implant."""
    blue, size = prepared.other, max(3, round(options.local_um / prepared.pixel_um))
    local = blue > _box_mean(blue, size)
    brown = _brown(prepared) > options.lower_od
    found = ((blue > prepared.second) & local | brown) & ~prepared.opened.implant
    return found | _dim(prepared, options, found) if prepared.settings.shines else found


def _dim(prepared: Prepared, options: Options, bright: np.ndarray) -> np.ndarray:
    """Bodies that shine far less than others: each above half of its own way from the background,
    as the one threshold lies half-way to what shines most."""
    blue, free = prepared.other, prepared.opened.region & ~prepared.opened.implant
    ground = blue[free & ~bright]
    if not len(ground):
        return np.zeros(blue.shape, bool)
    dark = float(np.median(ground))
    spread = robust_spread(ground - dark)
    least = dark + max(DIM * (prepared.second - dark), DIM_SPREADS * spread)
    parts = label((blue >= least) & ~prepared.opened.implant)
    area = np.bincount(parts.ravel()) * prepared.pixel_um**2
    keep = (area >= options.smallest_um2) & (area <= options.largest_um2)
    keep[np.unique(parts[bright])] = keep[0] = False
    some = np.flatnonzero(keep[parts])
    if not len(some):
        return np.zeros(blue.shape, bool)
    which, peak = parts.ravel()[some], np.full(len(keep), dark, blue.dtype)
    np.maximum.at(peak, which, blue.ravel()[some])
    out = np.zeros(blue.size, bool)
    out[some] = blue.ravel()[some] >= (dark + peak[which]) / 2
    return out.reshape(blue.shape)


def _brown(prepared: Prepared) -> np.ndarray:
    """Amount of the marker that tells nuclei beside their counterstain: one that shines does so
    within nuclei, which the counterstain shows whatever they are positive for."""
    return np.zeros_like(prepared.other) if prepared.settings.shines else prepared.target


def _box_mean(image: np.ndarray, size: int) -> np.ndarray:
    """Means over squares, of whole numbers of 2^-20: no running sum rounds, and none depends on
    where the picture begins."""
    from scipy.ndimage import uniform_filter1d

    total = np.rint(image.astype(np.float64) * 2**20)
    for axis in (0, 1):
        total = np.rint(uniform_filter1d(total, size, axis=axis) * size)
    return total / (size**2 * 2**20)


def blobs(amount: np.ndarray, options: Options, pixel: float) -> np.ndarray:
    """Response to blobs of a nucleus's size."""
    from scipy.ndimage import gaussian_laplace

    sigma = options.nucleus_um / 2 / np.sqrt(2) / pixel
    return -gaussian_laplace(amount.astype(np.float32), sigma, truncate=3) * sigma**2


def split(
    blob: np.ndarray, mask: np.ndarray, options: Options, pixel: float, spread: float
) -> np.ndarray:
    """Labels of the nuclei of a mask; `spread` of blob responses over the section's mask."""
    from edt import edt
    from skimage.segmentation import expand_labels

    peaks = _peaks(blob, mask, options.nucleus_um / 2, pixel, spread)
    depth = edt(mask, anisotropy=(pixel, pixel), black_border=False)
    return expand_labels(flooded(depth, peaks, mask), options.expand_um / pixel)


def _peaks(
    blob: np.ndarray, mask: np.ndarray, radius: float, pixel: float, spread: float
) -> np.ndarray:
    """Maxima of distance to the edge (in radii) plus blob response of a nucleus's size, (N, 2)."""
    from edt import edt
    from scipy.ndimage import gaussian_filter
    from skimage.feature import peak_local_max

    depth = edt(mask, anisotropy=(pixel, pixel), black_border=False) / radius
    score = gaussian_filter(depth + 0.5 * blob / max(spread, 1e-6), 0.5 / pixel)
    peaks = peak_local_max(
        score,
        min_distance=max(1, round(0.9 * radius / pixel)),
        labels=label(mask),
        exclude_border=False,
    )
    return peaks


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """What the config names under `outcomes`: `positive` (% of all nuclei), `density` (positive ones per mm² of tissue), `all`
    (nuclei per mm² of tissue), `h_score` (0-300, 100 × (weak + 2 moderate + 3 strong) / all),
    `allred` (0-8).

    A nucleus is positive if the mean DAB of its core, or its mean marker that shines, reaches the
    threshold.
    """
    settings = prepared.settings
    labels = as_edited(prepared.edits, find(prepared, options), prepared.opened)
    table = object_table(labels, prepared, dab_od=prepared.target, haematoxylin_od=prepared.other)
    if not settings.shines:
        if "core" not in prepared.kept:
            core = core_means(labels, prepared.target, options.core, prepared.pixel_um)
            prepared.kept["core"] = core
        table["core_od"] = prepared.kept["core"]
    level = prepared.threshold * factor
    inside = counted(labels, prepared.opened.region, prepared.opened.frame)
    inside &= accepted(prepared.edits)
    graded(table, settings, options, level=level, inside=inside)
    regraded(table, prepared.edits)
    grades = table.loc[table["counted"], "grade"].to_numpy()
    area = _area(prepared, options) if needs_area(settings) else 0.0
    rows = rows_of(settings, grades, area, level=level, variant=variant)
    if variant:
        return Readout(rows)
    shapes = outlines(labels, prepared.opened.scale, prepared.opened.offset)
    region = float(prepared.opened.region.sum()) * prepared.pixel_um**2
    facts = [glass_fact(region, area, settings)] if needs_area(settings) else []
    facts.append(size(table, options))
    if settings.shines and prepared.edits is None:
        facts.append(_doubtful(prepared, options, labels, table))
    return Readout(rows, table, shapes, facts)


def _doubtful(
    prepared: Prepared, options: Options, labels: np.ndarray, table: pd.DataFrame
) -> Fact:
    """Share (%), of the nuclei that may be positive, of those that are not, though their mean lies
    half-way to the threshold or beyond, or their core holds spots above it."""
    from edt import edt

    marker, level, pixel = prepared.target, prepared.threshold, prepared.pixel_um
    ground = marker[prepared.opened.region & (marker < level)]
    dark = float(np.median(ground)) if len(ground) else 0.0
    stated = prepared.settings.threshold in ("fixed", "negative_control")
    near = (table["dab_od"].to_numpy() >= dark + DOUBT * (level - dark)) & (not stated)
    depth = edt(labels.astype(np.uint32), anisotropy=(pixel, pixel), black_border=False)
    spots = labels[(marker >= level) & (depth > options.core_um)]
    foci = np.bincount(spots, minlength=len(table) + 1)[1:] * pixel**2 >= FOCUS_UM2
    told = table["counted"].to_numpy(bool)
    positive = int((told & (table["grade"] > 0)).sum())
    doubtful = int((told & (table["grade"] == 0) & (near | foci)).sum())
    share = 100 * max(0, doubtful - CHANCE) / max(1, positive + doubtful)
    name = "nuclei near the threshold, or with foci above it, of those that may be positive"
    return Fact(name, share, "%", options.doubtful_percent)


def core_means(labels: np.ndarray, image: np.ndarray, core: Core, pixel: float) -> np.ndarray:
    """Mean of an image over the core of each nucleus (n,); where none is deeper than the core's
    depth, over what lies at its share of the deepest place."""
    from edt import edt

    n, flat = int(labels.max(initial=0)), labels.ravel()
    depth = edt(labels.astype(np.uint32), anisotropy=(pixel, pixel), black_border=False).ravel()
    where = np.flatnonzero(flat)
    deepest = np.zeros(n + 1, depth.dtype)
    np.maximum.at(deepest, flat[where], depth[where])
    if core.um > 0:
        least = core.share * deepest
        least = np.where(deepest > core.um, np.maximum(least, core.um * (1 + 1e-6)), least)
        where = where[depth[where] >= least[flat[where]]]
    total = np.bincount(flat[where], image.ravel()[where].astype(np.float64), n + 1)
    return total[1:] / np.maximum(np.bincount(flat[where], minlength=n + 1)[1:], 1)


def paled(table: pd.DataFrame, edge_um: float, level: float, options: Options) -> Fact:
    """How much (%) blur takes off the core of a strongly stained nucleus, from how wide the
    section's sharpest edges are: a blur of σ makes 2.5 σ of an edge, and leaves a share of light
    in the middle of a disc."""
    name = "density that blur takes off the cores of strong nuclei"
    area = table.loc[table["counted"], "area_um2"].to_numpy()
    if not len(area) or not np.isfinite(edge_um):
        return Fact(name, 0.0, "%", options.paled_percent)
    od = level * options.strong * DENSEST_CHANNEL
    own = 1 - np.exp(-area / np.pi / 2 / (edge_um / EDGE_SIGMAS) ** 2)
    seen = -np.log10(own * 10**-od + 1 - own)
    return Fact(name, 100 * (1 - float(seen.mean()) / od), "%", options.paled_percent)


def size(table: pd.DataFrame, options: Options) -> Fact:
    """How many times the typical nucleus differs from the usual one: nothing else of a picture
    tells that its pixel size is wrong, and of fluorescence little that its channels are swapped."""
    area = table.loc[table["counted"], "area_um2"]
    typical = 2 * np.sqrt(float(area.median()) / np.pi) if len(area) else options.nucleus_um
    times = max(typical / options.nucleus_um, options.nucleus_um / typical)
    name = f"typical nucleus of {typical:.1f} um against nucleus_um {options.nucleus_um:g}"
    return Fact(name, times, "times", options.size_times)


def graded(
    table: pd.DataFrame,
    settings: StainSettings,
    options: Options,
    *,
    level: float,
    inside: np.ndarray,
) -> None:
    """Add to a table of nuclei their grade by the DAB of their core, which are counted, and their
    class."""
    od = table["core_od" if "core_od" in table else "dab_od"].to_numpy()
    table["grade"] = (
        (od >= level).astype(int)
        + (od >= level * options.moderate)
        + (od >= level * options.strong)
    )
    table["counted"] = inside
    names = [outcome_name(settings, k, "") for k in GRADED]
    by_grade = np.where(table["grade"] > 0, "positive", "negative") if any(names) else "nucleus"
    table["class"] = np.where(~table["counted"], "excluded", by_grade)


def regraded(table: pd.DataFrame, edits: Edits | None) -> None:
    """Give nuclei the class that a person gave them: a positive one is at least weak."""
    for name, grade in (("positive", np.maximum(table["grade"], 1)), ("negative", 0)):
        here = np.broadcast_to(said(edits, name), len(table))
        table["grade"] = np.where(here, grade, table["grade"])
        table.loc[here & table["counted"], "class"] = name


def is_graded(settings: StainSettings) -> bool:
    """Whether a result rests on how strongly nuclei of a bright field are stained."""
    return not settings.shines and any(outcome_name(settings, k, "") for k in GRADED)


def needs_area(settings: StainSettings) -> bool:
    """Whether a result is per area of tissue."""
    return any(outcome_name(settings, k, "") for k in ("density", "all"))


def _area(prepared: Prepared, options: Options) -> float:
    return float(tissue_mask(prepared, options.glass_um2).sum()) * prepared.pixel_um**2


def rows_of(
    settings: StainSettings,
    grades: np.ndarray,
    area_um2: float,
    *,
    level: float,
    variant: str = "",
) -> list[dict[str, object]]:
    """Rows of the outcomes that the config names; those that no threshold moves have no variants."""
    roi = settings.roi
    n, positive = len(grades), int((grades > 0).sum())
    how = "network" if networked(settings) else "thresholds"
    if settings.model:
        how = user_model.load_model(settings.model.path, settings.model.output).words
    part = "nucleus" if settings.shines else "nucleus's core"
    method = f"nuclei by {how}, mean of the {part} {level_words(settings, level)}"
    named = {k: outcome_name(settings, k, "") for k in (*GRADED, "all")}
    if variant:
        named |= {"all": "", "h_score": "", "allred": ""}
    rows = []
    if name := named["positive"]:
        share, of = 100 * positive / max(n, 1), Of(positive, n, "nuclei")
        rows.append(measurement(name, roi, share, "%", of, n_sub=n, method=method, variant=variant))
    if named["density"] or named["all"]:
        for key, count in (("density", positive), ("all", n)):
            if name := named[key]:
                told = method if key == "density" else f"nuclei by {how}"
                rows.append(
                    density(name, roi, count, area_um2, n_sub=n, method=told, variant=variant)
                )
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
    """Proportion (0-5) plus intensity (0-3) of the grades (0-3) of all nuclei, as QuPath forms
    them: 0, or 2 to 8."""
    positive = grades[grades > 0]
    if not len(positive):
        return 0
    share, mean = len(positive) / len(grades), float(positive.mean())
    return 2 + sum(share >= p for p in PROPORTIONS) + sum(mean > g for g in GRADES)
