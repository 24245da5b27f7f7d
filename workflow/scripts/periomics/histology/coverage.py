"""Vessels that a second marker covers (CD31 and alpha-SMA: pericytes, smooth muscle)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from shapely.geometry import Polygon

from periomics.histology import edges, vessels
from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    counted,
    level_text,
    measurement,
    object_table,
)
from periomics.histology.settings import outcome_name
from periomics.imaging.rois import outlines

DEFAULTS = {"share": "pericyte", "length": "pericyte_len"}


@dataclass(frozen=True)
class Options:
    """gap_um, smallest_um2, lumen_um2: as of vessels. beside_um: how far outside and inside of a
    vessel's outline the second marker covers it; covered_percent: share of its outline from which a
    vessel is covered."""

    gap_um: float = 5.0
    smallest_um2: float = 10.0
    lumen_um2: float = 20000.0
    beside_um: float = 3.0
    covered_percent: float = 50.0


def covered(
    prepared: Prepared, shapes: list[np.ndarray], options: Options
) -> tuple[np.ndarray, np.ndarray]:
    """Covered and whole outline (µm) of each vessel, given its outline in finest-level pixels."""
    marker = (prepared.other >= prepared.second) & ~prepared.opened.implant
    far = options.beside_um / prepared.pixel_um
    across = np.arange(-far, far + 0.25, 0.5)
    part, whole = np.zeros(len(shapes)), np.zeros(len(shapes))
    for k, outline in enumerate(shapes):
        ring = Polygon(outline) if len(outline) > 3 else Polygon()
        if ring.is_valid and ring.area > 0:
            line = edges.edge(prepared.opened, [ring])
            whole[k] = line.length.sum()
            part[k] = line.length[line.away(marker, across).any(axis=1)].sum()
    return part, whole


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Vessels of which the marker covers `covered_percent` of the outline `pericyte` (%), and
    covered over all outline `pericyte_len` (%).

    Vessels are those of the detector `vessels` in the stain that is measured (the second); the
    marker is the first.
    """
    found = vessels.Options(
        gap_um=options.gap_um,
        smallest_um2=options.smallest_um2,
        lumen_um2=options.lumen_um2,
    )
    labels, _ = vessels.find(prepared, found, factor)
    shapes = outlines(labels, prepared.opened.scale, prepared.opened.offset)
    part, whole = covered(prepared, shapes, options)
    inside = counted(labels, prepared.opened.region, prepared.opened.frame)
    share = 100 * part / np.maximum(whole, 1e-9)
    by_marker = share >= options.covered_percent
    settings, roi = prepared.settings, prepared.settings.roi
    n, among = int(inside.sum()), int((inside & by_marker).sum())
    marker = settings.pair.stains[1 - settings.target]
    method = f"{level_text(prepared, prepared.threshold * factor)}, {marker} within {options.beside_um:g} um of the outline"
    rows = []
    if name := outcome_name(settings, "share", DEFAULTS["share"]):
        value, of = 100 * among / max(n, 1), Of(among, n, "vessels")
        said = f"{method} along {options.covered_percent:g} % of it"
        rows.append(measurement(name, roi, value, "%", of, n_sub=n, method=said, variant=variant))
    if variant:
        return Readout(rows)
    if name := outcome_name(settings, "length", DEFAULTS["length"]):
        lined, all_of = (float(v[inside].sum()) / 1000 for v in (part, whole))
        value, of = 100 * lined / all_of if all_of else 0, Of(lined, all_of, "mm")
        rows.append(measurement(name, roi, value, "%", of, n_sub=n, method=method))
    objects = object_table(labels, prepared, od=prepared.target, marker_od=prepared.other)
    objects["covered_percent"] = share
    objects["counted"] = inside
    objects["class"] = np.select([~inside, by_marker], ["excluded", "positive"], "negative")
    return Readout(rows, objects, shapes)
