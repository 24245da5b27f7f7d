"""Two fluorescent labels of mineral: mineral apposition rate, mineralising surface and bone
formation rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from periomics.core.errors import InputError
from periomics.core.quality import Fact
from periomics.histology import edges
from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    close_gaps,
    keep_labels,
    label,
    measurement,
    object_table,
)
from periomics.histology.settings import outcome_name
from periomics.imaging.rois import outlines, polygon_mask

DEFAULTS = {"rate": "mar", "surface": "ms_bs", "formation": "bfr"}
# A place in bone belongs to the outline that it is nearest to: so much farther may it lie along the
# outline's normal.
SLACK_UM = 2.0
# A midline's direction is that of so many of its pixels; a distance to it may lean by 20 degrees
# from the right angle.
NEIGHBOURS, OBLIQUE = 15, 0.35


@dataclass(frozen=True)
class Options:
    """days between the two labels (needed); obliquity: factor on distances, for sections that cut
    them at random .785 (pi/4), 1 for none; apart_um: labels farther apart are no pair; depth_um:
    how deep below the bone's outline labels are looked for; gap_um: gaps in a label that are
    closed; shortest_um: shorter pieces of a midline are specks; least_um: double-labelled midline
    below which there is no rate; overlap_percent: where more of the first midline lies in the
    second label, one channel shines in the other and the section is held back."""

    days: float = 0.0
    obliquity: float = 1.0
    apart_um: float = 60.0
    depth_um: float = 60.0
    gap_um: float = 2.0
    shortest_um: float = 15.0
    least_um: float = 50.0
    overlap_percent: float = 20.0


class Pair(NamedTuple):
    """Distances (µm) between the midlines at each place along the first label that has the second
    beside it, and the step."""

    distances: np.ndarray
    step: float


def midline(mask: np.ndarray, options: Options, pixel_um: float) -> tuple[np.ndarray, np.ndarray]:
    """A label's mask without specks, and its midline one pixel wide."""
    from skimage.morphology import skeletonize

    mask = close_gaps(mask, options.gap_um, pixel_um)
    thin = skeletonize(mask)
    parts = label(mask)
    length = np.bincount(parts.ravel(), thin.ravel()) * pixel_um
    kept = keep_labels(parts, length >= options.shortest_um) > 0
    return kept, thin & kept


def between(first: np.ndarray, second: np.ndarray, most_um: float, pixel_um: float) -> Pair:
    """Distances from places of one midline to the other, where they are at right angles to it:
    beyond its end they are not."""
    from scipy.spatial import cKDTree

    if not first.any() or second.sum() < 2:
        return Pair(np.empty(0), pixel_um)
    there = np.argwhere(second).astype(float)
    tree = cKDTree(there)
    places = np.argwhere(first).astype(float)
    far, which = tree.query(places)
    near = np.unique(which)
    along = np.zeros((len(there), 2))
    along[near] = _tangents(there, tree.query(there[near], k=min(NEIGHBOURS, len(there)))[1])
    towards = (there[which] - places) / np.maximum(far, 1e-9)[:, None]
    oblique = np.abs((towards * along[which]).sum(axis=1))
    far = far * pixel_um
    return Pair(far[((oblique <= OBLIQUE) | (far < pixel_um)) & (far <= most_um)], pixel_um)


def _tangents(places: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Direction (n, 2) in which the places of each group (n, k) lie."""
    off = places[groups] - places[groups].mean(axis=1, keepdims=True)
    rows, columns, both = (
        (off[..., a] * off[..., b]).sum(axis=1) for a, b in ((0, 0), (1, 1), (0, 1))
    )
    angle = 0.5 * np.arctan2(2 * both, rows - columns)
    return np.column_stack([np.cos(angle), np.sin(angle)])


def labelled(
    prepared: Prepared, masks: tuple[np.ndarray, np.ndarray], depth_um: float
) -> tuple[np.ndarray, np.ndarray]:
    """How many labels lie below each point of the bone's outline (0 to 2), and how long (µm) the
    points are."""
    from edt import edt

    opened, pixel = prepared.opened, prepared.pixel_um
    shapes = edges.polygons(opened, edges.BONE)
    line = edges.within(edges.edge(opened, shapes), prepared, edges.CUT_UM)
    bone = polygon_mask(shapes, masks[0].shape, opened.scale, opened.offset)
    own = edt(bone, anisotropy=(pixel, pixel), black_border=False)
    deep = np.arange(0, depth_um / pixel + 0.5, 0.5)
    # A label beyond the middle of a thin trabecula is of the outline on its other side.
    near = line.away(own, -deep) >= deep * pixel - SLACK_UM
    seen = [(line.away(mask, -deep) & near).any(axis=1).astype(int) for mask in masks]
    return seen[0] + seen[1], line.length


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Rate `mar` (µm/d): mean distance between the labels' midlines along the first label, over the
    days between them; mineralising surface `ms_bs` (%): double-labelled and half of the
    single-labelled outline of the annotations `bone` over all of it; bone formation rate `bfr`
    (µm³/µm²/d), their product.

    The channels are the first and the second label, in this order.

    Raises
    ------
    InputError
        If the config does not say how many days lie between the labels.
    """
    settings = prepared.settings
    if not options.days > 0:
        where = f"config, histology/stains/{settings.stain}/options/days"
        raise InputError("the days between the labels are needed", file=where, value=options.days)
    inside, pixel = prepared.opened.region, prepared.pixel_um
    found = [
        midline((amount >= level * factor) & inside, options, pixel)
        for amount, level in (
            (prepared.other, prepared.second),
            (prepared.target, prepared.threshold),
        )
    ]
    pair = between(found[0][1], found[1][1], options.apart_um, pixel)
    rate = _rate(prepared, options, pair, variant)
    if variant:
        return Readout([rate] if rate["outcome"] else [])
    rows = [rate] if rate["outcome"] else []
    rows += _surface(prepared, options, (found[0][0], found[1][0]), rate)
    lying = float((found[0][1] & found[1][0]).sum()) / max(float(found[0][1].sum()), 1.0)
    name = "first label that lies in the second"
    facts = [Fact(name, 100 * lying, "%", options.overlap_percent)]
    objects, shapes = _drawn(prepared, (found[0][0], found[1][0]))
    return Readout(rows, objects, shapes, facts)


def _rate(prepared: Prepared, options: Options, pair: Pair, variant: str) -> dict[str, object]:
    name = outcome_name(prepared.settings, "rate", DEFAULTS["rate"])
    length = len(pair.distances) * pair.step
    mean = float(pair.distances.mean()) * options.obliquity if length else 0.0
    names = prepared.settings.pair.stains
    method = f"midlines of {names[0]} and {names[1]}, {options.days:g} d, distances times {options.obliquity:g}"
    row = measurement(
        name,
        prepared.settings.roi,
        mean / options.days,
        "um/d",
        Of(mean, options.days, "d"),
        n_sub=len(pair.distances),
        method=method,
        variant=variant,
    )
    if length >= options.least_um:
        return row
    reason = f"both labels along {length:.0f} um only (at least {options.least_um:g})"
    return row | {"value": float("nan"), "qc": "fail", "qc_reason": reason}


def _surface(
    prepared: Prepared,
    options: Options,
    masks: tuple[np.ndarray, np.ndarray],
    rate: dict[str, object],
) -> list[dict[str, object]]:
    """Rows of the mineralising surface and of the bone formation rate."""
    count, length = labelled(prepared, masks, options.depth_um)
    both, one, whole = (float(length[k].sum()) / 1000 for k in (count == 2, count == 1, count >= 0))
    part, roi = both + one / 2, prepared.settings.roi
    method = f"double-labelled {both:.3f} mm, single-labelled {one:.3f} mm, to {options.depth_um:g} um deep"
    rows = []
    if name := outcome_name(prepared.settings, "surface", DEFAULTS["surface"]):
        value, of = 100 * part / whole if whole else 0, Of(part, whole, "mm")
        rows.append(measurement(name, roi, value, "%", of, n_sub=int(whole > 0), method=method))
    if name := outcome_name(prepared.settings, "formation", DEFAULTS["formation"]):
        speed = float(str(rate["value"]))
        value, of = speed * part / whole if whole else 0, Of(speed * part, whole, "mm")
        row = measurement(name, roi, value, "um3/um2/d", of, n_sub=int(whole > 0), method=method)
        rows.append(row | {k: rate[k] for k in ("qc", "qc_reason") if k in rate})
    return rows if whole else [r | {"qc_reason": edges.none(edges.BONE)} for r in rows]


def _drawn(
    prepared: Prepared, masks: tuple[np.ndarray, np.ndarray]
) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Objects and outlines of both labels; where they overlap the first is drawn."""
    first = label(masks[0])
    second = label(masks[1] & ~masks[0])
    n = int(first.max())
    both = np.where(second > 0, second + n, first).astype(np.int32)
    objects = object_table(both, prepared)
    objects["counted"] = True
    objects["class"] = np.where(objects["object_id"] <= n, *prepared.settings.pair.stains)
    return objects, outlines(both, prepared.opened.scale, prepared.opened.offset)
