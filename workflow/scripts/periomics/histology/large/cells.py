"""Neutrophils and nuclei of a large section."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from periomics.histology import neutrophils, nuclei, specks
from periomics.histology.batch import BatchRow
from periomics.histology.detection import Prepared, Readout, dilate, split_touching
from periomics.histology.large.network import nuclei_of
from periomics.histology.large.objects import counted, places_um, tally
from periomics.histology.large.pieces import Collected, Images, Splitting, pieces
from periomics.histology.large.section import TILE, Large
from periomics.histology.large.stained import FAINT, closed, opened, reach_of
from periomics.histology.large.tiles import Walked, bright, tissue, walk
from periomics.histology.settings import StainSettings, variants
from periomics.imaging.boxes import Box
from periomics.imaging.parts import Parts, fill_holes, parts_of
from periomics.imaging.planes import Plane, local


def measure_neutrophils(
    large: Large,
    settings: StainSettings,
    batch: BatchRow,
    options: neutrophils.Options,
    tile: int = TILE,
) -> tuple[Readout, Walked]:
    """See `neutrophils.measure`."""

    def masks(prepared: Prepared) -> Mapping[str, np.ndarray]:
        free = ~prepared.opened.implant
        stained = {
            name: (prepared.target >= batch.threshold * f) & free
            for name, f in variants(settings).items()
        }
        faint = specks.faint_of(prepared) | stained[""]
        return stained | {"nuclei": (prepared.other >= batch.second) & free, FAINT: faint}

    pad = reach_of(options.lobes_um, large)
    walked, rows = walk(large, settings, batch, masks, tile=tile, pad=pad), []
    free, dark = tissue(walked, options.glass_um2), parts_of(walked["nuclei"])
    whole = walked.um2(free.total())
    for name, factor in variants(settings).items():
        bodies = parts_of(_bodies(walked, options, name, dark))
        found = pieces(large, bodies, _splitting(walked, options, drawn=not name), not name)
        sums, means, shapes = found.done()
        inside, level = counted(sums, free, large), batch.threshold * factor
        brown = walked.um2(local(np.logical_and, 0, walked[name], free).total())
        rows += neutrophils.rows_of(
            settings, int(inside.sum()), brown, whole, level=level, variant=name
        )
        if not name:
            table = pd.DataFrame(places_um(sums, large))
            table["od"], table["counterstain_od"] = (_of(means, k) for k in ("target", "other"))
            table["counted"] = inside
            table["class"] = np.where(inside, "positive", "excluded")
            loose = neutrophils.loose(table, brown, options)
            drawn = shapes
    weak = tally(parts_of(_bodies(walked, options, FAINT, dark)), {"stained": walked[""]})
    enough = weak.area * walked.um2(1) >= options.smallest_um2
    alone = weak.only(enough & (weak.counts["stained"] == 0))
    lost, n = int(counted(alone, free, large).sum()), int(table["counted"].sum())
    facts = [bright(walked, whole, settings), neutrophils.dense(table, settings), loose]
    facts.append(specks.faint(lost, n, "cells", options.faint_percent))
    return Readout(rows, table, drawn, facts), walked


def _of(means: Images, name: str) -> np.ndarray:
    return means.get(name, np.zeros(0))


def _bodies(walked: Walked, options: neutrophils.Options, name: str, dark: Parts) -> Plane:
    """Bodies of positive cells before they are split; see `neutrophils.find`."""
    large, pixel = walked.large, walked.large.pixel_um
    stained, cell = walked[name], options.cell_um
    ringed = dark.plane(_ringed(walked, options, stained, dark))
    body = local(np.logical_or, 0, stained, ringed)
    body = fill_holes(closed(body, options.lobes_um, large), np.pi * cell**2 / 4, pixel**2)
    radius = cell / 6
    return local(partial(opened, radius, pixel), 2 * reach_of(2 * radius, large), body)


def _ringed(
    walked: Walked, options: neutrophils.Options, stained: Plane, dark: Parts
) -> np.ndarray:
    """Which nuclei (N + 1,) have a ring of which 60 % is stained; see `neutrophils.find`."""
    from skimage.segmentation import expand_labels

    pixel, grid = walked.large.pixel_um, walked.grid
    reach = reach_of(2 * options.expand_um, walked.large)

    def widened(mask: np.ndarray) -> np.ndarray:
        return dilate(mask, options.expand_um, pixel)

    near = local(widened, reach, stained)
    touched = np.concatenate([[False], tally(dark, {"near": near}).counts["near"] > 0])
    size, brown = (np.zeros(len(dark) + 1, np.int64) for _ in range(2))
    for _, _, core in grid.cores():
        own = core.common(grid.part)
        if not own.area:
            continue
        window = own.grown(reach, grid.part)
        numbers = dark.read(window)
        some = np.where(touched[numbers], numbers, 0)
        if not some.any():
            continue
        ring = expand_labels(some, options.expand_um / pixel)
        ring[some > 0] = 0
        ring = ring[own.inside(window)]
        np.add.at(size, ring[ring > 0], 1)
        np.add.at(brown, ring[(ring > 0) & stained.read(own)], 1)
    return (brown >= 0.6 * size) & (size > 0)


def _splitting(walked: Walked, options: neutrophils.Options, drawn: bool) -> Splitting:
    pixel = walked.large.pixel_um

    def split(mask: np.ndarray, _: Images) -> np.ndarray:
        return split_touching(mask, options.cell_um, pixel)

    def none(_: Box) -> Images:
        return {}

    blur = int(np.ceil(4 * 0.1 * options.cell_um / pixel)) + 1
    images = walked.amounts if drawn else none
    reach = max(blur, walked.reach)
    return Splitting(split, images, reach, blur, options.smallest_um2)


def measure_nuclei(
    large: Large,
    settings: StainSettings,
    batch: BatchRow,
    options: nuclei.Options,
    tile: int = TILE,
) -> tuple[Readout, Walked]:
    """See `nuclei.measure`."""

    def masks(prepared: Prepared) -> Mapping[str, np.ndarray]:
        return {"stained": nuclei.stained(prepared, options)}

    by_network = nuclei.networked(settings)
    pad = reach_of(nuclei.CLOSED_UM, large)
    around = options.local_um / 2 + options.nucleus_um
    if by_network:
        walked = walk(large, settings, batch, lambda _: {}, tile=tile, pad=0)
        found = nuclei_of(large, settings, batch, options)
    else:
        walked = walk(large, settings, batch, masks, tile=tile, pad=pad, around_um=around)
        found = _by_thresholds(walked, options)
    sums, means, shapes = found.done()
    table = pd.DataFrame(places_um(sums, large))
    for column, k in (("dab_od", "target"), ("haematoxylin_od", "other"), ("core_od", "core")):
        table[column] = _of(means, k)
    inside = counted(sums, walked["region"], large)
    needed = nuclei.needs_area(settings)
    area = walked.um2(tissue(walked, options.glass_um2).total()) if needed else 0.0
    rows: list[dict[str, object]] = []
    for name, factor in reversed(variants(settings).items()):
        level = batch.threshold * factor
        nuclei.graded(table, settings, options, level=level, inside=inside)
        grades = table.loc[table["counted"], "grade"].to_numpy()
        rows = nuclei.rows_of(settings, grades, area, level=level, variant=name) + rows
    facts = [bright(walked, area, settings)] if needed else []
    facts.append(nuclei.size(table, options))
    return Readout(rows, table, shapes, facts), walked


def _by_thresholds(walked: Walked, options: nuclei.Options) -> Collected:
    """See `nuclei.find`."""
    large, pixel = walked.large, walked.large.pixel_um
    reach = reach_of(2 * nuclei.CLOSED_UM, large)
    mask = local(partial(opened, nuclei.CLOSED_UM, pixel), 2 * reach, walked["stained"])
    mask = fill_holes(closed(mask, nuclei.CLOSED_UM, large), options.largest_um2 / 4, pixel**2)
    how = _nuclear(walked, options, mask)
    return pieces(large, parts_of(mask), how, True, options.core)


def _nuclear(walked: Walked, options: nuclei.Options, mask: Plane) -> Splitting:
    pixel = walked.large.pixel_um
    sigma = options.nucleus_um / 2 / np.sqrt(2) / pixel
    blur = int(np.ceil(4 * 0.5 / pixel)) + int(np.ceil(options.expand_um / pixel)) + 1
    reach = int(np.ceil(3 * sigma)) + 2 + blur + walked.reach

    def images(box: Box) -> Images:
        found = walked.amounts(box)
        blob = nuclei.blobs(found["other"] + found["target"], options, pixel)
        return found | {"blob": blob}

    spread = _spread(walked, mask, images, reach)

    def split(held: np.ndarray, of: Images) -> np.ndarray:
        return nuclei.split(of["blob"], held, options, pixel, spread)

    least, most = options.smallest_um2, options.largest_um2
    return Splitting(split, images, reach, blur, least, most)


def _spread(walked: Walked, mask: Plane, images, reach: int) -> float:
    """Spread of blob responses over the nuclei, fixed before any is split: of all of a section, or
    of windows on a lattice."""
    part = walked.large.part
    found = []
    for box in walked.large.places():
        window = box.grown(reach, part)
        found.append(images(window)["blob"][box.inside(window)][mask.read(box)])
    values = np.concatenate(found)
    return float(np.std(values)) if len(values) else 1.0
