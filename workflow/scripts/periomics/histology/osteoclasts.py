"""Cells on bone (osteoclasts by TRAP): number and covered surface over the bone's outline, detached
ones apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from periomics.core.quality import Fact
from periomics.histology import edges
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
    split_touching,
)
from periomics.histology.edits import accepted, as_edited, said
from periomics.histology.settings import outcome_name
from periomics.imaging.rois import outlines

# So many bodies a share is told of.
LEAST_BODIES = 8
# So much (%) of a cell in the counterstain's colour is more than nuclei are.
MIXED = 50.0
# A waist is so many times as wide as what it joins; lobes are this many nuclei wide.
WAIST, LOBE_NUCLEI = 0.7, 2.5
DEFAULTS = {"perimeter": "noc", "surface": "ocs", "detached": "noc_det", "density": ""}


@dataclass(frozen=True)
class Options:
    """smallest_um2 of a cell; gap_um: stained parts closer are one cell; cell_um: cells are split
    at this usual diameter, 0 for not (osteoclasts have no usual shape), and where one nucleus makes
    a cell half-way between nuclei; nucleus_um: usual diameter
    of nuclei; smallest_nucleus_um2; least_nuclei that a cell off the bone, and nuclei_on_bone that
    one on it shows; contact_um: how far from the outline a cell may begin; touch_um: least outline
    that it covers; implant_um: outline that close to the implant is its own side; bare_percent:
    where more of the stained bodies show no nucleus, the counterstain is not seen; near_percent:
    where more of the cells would lie on bone at twice the distance, its outline is not where the
    bone ends; mixed_percent: where more of the cells are for more than half of the counterstain's
    colour, nuclei are not told from what is around them; waist_percent: where more of the cells
    have a waist between nuclei enough for two, cells that touch count as one; the section is held
    back then."""

    smallest_um2: float = 60.0
    gap_um: float = 2.0
    cell_um: float = 0.0
    nucleus_um: float = 6.0
    smallest_nucleus_um2: float = 6.0
    least_nuclei: int = 3
    nuclei_on_bone: int = 3
    contact_um: float = 5.0
    touch_um: float = 3.0
    implant_um: float = 20.0
    bare_percent: float = 60.0
    near_percent: float = 20.0
    mixed_percent: float = 20.0
    waist_percent: float = 10.0


@dataclass(frozen=True)
class Site:
    """The bone's outline: length (µm) of each point, whether it faces the implant, and the label of
    the cell on it (0: none)."""

    length: np.ndarray
    metal: np.ndarray
    cell: np.ndarray


def find(prepared: Prepared, options: Options, factor: float = 1.0) -> np.ndarray:
    """Labels of stained cells with the nuclei that they enclose, in the whole image."""
    pixel = prepared.pixel_um
    stained = (prepared.target >= prepared.threshold * factor) & ~prepared.opened.implant
    nucleus = np.pi * options.nucleus_um**2 / 4
    body = fill_holes(close_gaps(stained, options.gap_um, pixel), 2 * nucleus, pixel)
    body = opening(body, options.gap_um / 2, pixel)
    if not options.cell_um:
        labels = label(body)
    elif options.nuclei_on_bone == 1:
        labels = _around_nuclei(prepared, body, options)
    else:
        labels = split_touching(body, options.cell_um, pixel)
    return keep_labels(labels, np.bincount(labels.ravel()) * pixel**2 >= options.smallest_um2)


def _around_nuclei(prepared: Prepared, body: np.ndarray, options: Options) -> np.ndarray:
    """Labels of cells of one nucleus each: a row of them has no waists to part it at, so they are
    parted half-way between nuclei; what lies farther than a cell from any is split by its shape."""
    from edt import edt
    from skimage.segmentation import watershed

    pixel = prepared.pixel_um
    seeds = _nuclei(prepared, body, options)
    if not seeds.any():
        return split_touching(body, options.cell_um, pixel)
    away = edt(seeds == 0, anisotropy=(pixel, pixel), black_border=False)
    cells = watershed(away, seeds, mask=body & (away <= options.cell_um)).astype(np.int32)
    rest = split_touching(body & (cells == 0), options.cell_um, pixel)
    return np.where(rest > 0, rest + int(seeds.max()), cells)


def _nuclei(prepared: Prepared, body: np.ndarray, options: Options) -> np.ndarray:
    """Labels of what the counterstain shows within bodies."""
    pixel = prepared.pixel_um
    blue = opening((prepared.other >= prepared.second) & body, 0.5, pixel)
    parts = split_touching(blue, options.nucleus_um, pixel)
    size = np.bincount(parts.ravel()) * pixel**2
    return keep_labels(parts, size >= options.smallest_nucleus_um2)


def nuclei_of(prepared: Prepared, labels: np.ndarray, options: Options) -> np.ndarray:
    """How many nuclei of the counterstain lie in each label, (N,)."""
    parts, n = _nuclei(prepared, labels > 0, options), int(labels.max())
    pairs = np.unique(
        parts[parts > 0].astype(np.int64) * (n + 1) + labels[parts > 0], return_counts=True
    )
    table = pd.DataFrame({"nucleus": pairs[0] // (n + 1), "cell": pairs[0] % (n + 1)})
    owner = table.assign(n=pairs[1]).sort_values("n").groupby("nucleus")["cell"].last()
    return np.bincount(owner, minlength=n + 1)[1:]


def waisted(prepared: Prepared, labels: np.ndarray, options: Options) -> np.ndarray:
    """Whether each body (N,) has a waist, less than WAIST as wide as either side of it, with nuclei
    enough for a cell on both."""
    from edt import edt

    pixel = prepared.pixel_um
    depth = edt(labels > 0, anisotropy=(pixel, pixel), black_border=False)
    parts = split_touching(labels > 0, LOBE_NUCLEI * options.nucleus_um, pixel)
    n = int(parts.max())
    deepest = np.zeros(n + 1)
    np.maximum.at(deepest, parts.ravel(), depth.ravel())
    enough = np.concatenate([[False], nuclei_of(prepared, parts, options) >= options.least_nuclei])
    neck: dict[tuple[int, int, int], float] = {}
    for one, other in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        meet = (parts[one] != parts[other]) & (labels[one] == labels[other]) & (labels[one] > 0)
        deep = np.minimum(depth[one], depth[other])[meet]
        for cell, a, b, wide in zip(
            labels[one][meet], parts[one][meet], parts[other][meet], deep, strict=True
        ):
            key = (int(cell), int(min(a, b)), int(max(a, b)))
            neck[key] = max(neck.get(key, 0.0), float(wide))
    found = np.zeros(int(labels.max()), bool)
    for (cell, a, b), wide in neck.items():
        if enough[a] and enough[b] and wide < WAIST * min(deepest[a], deepest[b]):
            found[cell - 1] = True
    return found


def site(prepared: Prepared, labels: np.ndarray, options: Options) -> Site:
    """What lies on the bone's outline within the region, without what the region or the picture
    cuts."""
    opened, pixel = prepared.opened, prepared.pixel_um
    line = edges.edge(opened, edges.polygons(opened, edges.BONE))
    line = edges.within(line, prepared, edges.CUT_UM)
    away = np.arange(0.5, options.contact_um / pixel + 0.75, 0.5)
    seen = line.away(labels, away)
    first = seen[np.arange(len(seen)), (seen > 0).argmax(axis=1)]
    metal = line.away(edges.to_metal(prepared), np.zeros(1))[:, 0] <= options.implant_um
    return Site(line.length, metal, first)


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Cells on bone over the bone's outline `noc` (1/mm), outline that they cover `ocs` (%),
    detached cells over all `noc_det` (%), and, where it is named, cells over the region's area
    (1/mm²; cultures without bone).

    A cell is a stained body with enough nuclei. The outline is that of the annotations `bone`,
    inside the region; what faces the implant is apart, as variant `side=implant`. Cells that the
    picture's sides cut are no number, but cover.
    """
    labels = as_edited(prepared.edits, find(prepared, options, factor), prepared.opened)
    there = site(prepared, labels, options)
    table = object_table(labels, prepared, od=prepared.target)
    n = len(table)
    table["nuclei"] = nuclei_of(prepared, labels, options)
    blue = np.bincount(labels[prepared.other >= prepared.second], minlength=n + 1)[1:]
    table["nuclei_percent"] = 100 * blue * prepared.pixel_um**2 / table["area_um2"]
    covered = [
        np.bincount(there.cell[k], there.length[k], minlength=n + 1)[1:]
        for k in (~there.metal, there.metal)
    ]
    table["length_um"] = sum(covered)
    touches = table["length_um"] >= options.touch_um
    enough = np.where(touches, options.nuclei_on_bone, options.least_nuclei)
    cell = table["nuclei"].to_numpy() >= enough
    # Where a cell lies its outline says, whether it is one a person may.
    cell |= said(prepared.edits, "positive") | said(prepared.edits, "detached")
    cell &= accepted(prepared.edits) & ~said(prepared.edits, "uncertain")
    table["counted"] = counted(labels, prepared.opened.region, prepared.opened.frame) & cell
    table["class"] = np.select(
        [~table["counted"] & cell, cell & touches, cell],
        ["excluded", "positive", "detached"],
        "uncertain",
    )
    told = level_text(prepared, prepared.threshold * factor)
    told += f", at least {options.nuclei_on_bone} nuclei on bone, {options.least_nuclei} off it"
    facing = covered[1] > covered[0]
    rows = _rows(prepared, table, (there, cell, facing), told, variant)
    if variant:
        return Readout(rows)
    shapes = outlines(labels, prepared.opened.scale, prepared.opened.offset)
    return Readout(rows, table, shapes, _facts(prepared, labels, table, options))


def _facts(
    prepared: Prepared, labels: np.ndarray, table: pd.DataFrame, options: Options
) -> list[Fact]:
    """Shares (%) that tell whether nuclei and the bone's outline were seen, 0 where there are too
    few bodies to tell."""
    cells = table["class"].isin(["positive", "detached", "excluded"])
    share = dict.fromkeys(("bare", "mixed", "near"), 0.0)
    if len(table) >= LEAST_BODIES:
        share["bare"] = 100 * float((table["nuclei"] == 0).mean())
    if (n := int(cells.sum())) >= LEAST_BODIES / 2:
        share["mixed"] = 100 * float((table["nuclei_percent"] > MIXED)[cells].mean())
    wide = site(prepared, labels, replace(options, contact_um=2 * options.contact_um))
    reached = np.isin(table["object_id"], wide.cell) & (table["class"] == "detached")
    # One cell near the bone is chance.
    share["near"] = 100 * max(0, int(reached.sum()) - 1) / max(n, 1)
    near = (
        f"cells that lie on bone at {2 * options.contact_um:g} um and not at {options.contact_um:g}"
    )
    waists = waisted(prepared, labels, options) & cells.to_numpy()
    share["waist"] = 100 * int(waists.sum()) / max(n, 1)
    mixed = "cells whose nuclei are not told from what is around them"
    bare = "stained bodies in which no nucleus is seen"
    return [
        Fact(bare, share["bare"], "%", options.bare_percent),
        Fact(mixed, share["mixed"], "%", options.mixed_percent),
        Fact(near, share["near"], "%", options.near_percent),
        Fact(
            "cells with a waist between nuclei for two", share["waist"], "%", options.waist_percent
        ),
    ]


def _rows(
    prepared: Prepared,
    table: pd.DataFrame,
    found: tuple[Site, np.ndarray, np.ndarray],
    method: str,
    variant: str,
) -> list[dict[str, object]]:
    """Rows of the named outcomes; at another threshold only the number over the outline, free of
    the implant."""
    there, cell, facing = found
    names = {k: outcome_name(prepared.settings, k, v) for k, v in DEFAULTS.items()}
    roi = prepared.settings.roi
    on = (table["class"] == "positive").to_numpy()
    off = int((table["class"] == "detached").sum())
    n, rows = int(on.sum()) + off, []
    for metal in (False, True):
        here = there.metal == metal
        length = float(there.length[here].sum()) / 1000
        if metal and (variant or not length):
            continue
        how = {"method": method, "variant": "side=implant" if metal else variant}
        if name := names["perimeter"]:
            count = int((on & (facing == metal)).sum())
            value, of = count / length if length else 0, Of(count, length, "mm")
            rows.append(measurement(name, roi, value, "1/mm", of, n_sub=count, **how))
        if (name := names["surface"]) and not variant:
            by_cell = np.concatenate([[False], cell])[there.cell]
            part = float(there.length[here & by_cell].sum()) / 1000
            value, of = 100 * part / length if length else 0, Of(part, length, "mm")
            rows.append(measurement(name, roi, value, "%", of, n_sub=n, **how))
    if (name := names["detached"]) and not variant:
        of = Of(off, n if there.length.size else 0, "cells")
        rows.append(measurement(name, roi, 100 * off / max(n, 1), "%", of, n_sub=n, method=method))
    if not there.length.size:
        rows = [r | {"qc_reason": edges.none(edges.BONE)} for r in rows]
    if (name := names["density"]) and not variant:
        area = float(prepared.opened.region.sum()) * prepared.pixel_um**2
        rows.append(density(name, roi, n, area, n_sub=n, method=method))
    return rows
