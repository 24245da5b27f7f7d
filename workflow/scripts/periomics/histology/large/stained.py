"""Stained share and vessels of a large section: connected parts of masks, joined over its tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from periomics.histology import area, specks, vessels
from periomics.histology.batch import BatchRow
from periomics.histology.detection import Of, Prepared, Readout, dilate, erode, opening
from periomics.histology.large.objects import counted, means, outlines_of, places_um, tally
from periomics.histology.large.section import TILE, Large
from periomics.histology.large.tiles import Walked, bright, tissue, walk
from periomics.histology.settings import StainSettings, variants
from periomics.imaging.parts import fill_holes, parts_of
from periomics.imaging.planes import Plane, local

# Mask of what is faintly stained.
FAINT = "faint"


def measure_area(
    large: Large, settings: StainSettings, batch: BatchRow, options: area.Options, tile: int = TILE
) -> tuple[Readout, Walked]:
    """See `area.measure`."""

    def masks(prepared: Prepared) -> Mapping[str, np.ndarray]:
        return {
            name: (prepared.target >= batch.threshold * f) & prepared.opened.region
            for name, f in variants(settings).items()
        }

    walked = walk(large, settings, batch, masks, tile=tile, pad=0)
    rows: list[dict[str, object]] = []
    free = tissue(walked, options.glass_um2)
    whole = walked.um2(free.total()) * 1e-6
    for name, factor in reversed(variants(settings).items()):
        parts = parts_of(local(np.logical_and, 0, walked[name], free))
        keep = walked.um2(1) * parts.area[1:] >= options.smallest_um2
        stained = walked.um2(parts.area[1:][keep].sum()) * 1e-6
        n, of, level = int(keep.sum()), Of(stained, whole, "mm2"), batch.threshold * factor
        rows.insert(0, area.share_row(settings, of, n_sub=n, level=level, variant=name))
    keep = walked.um2(1) * parts.area[1:] >= max(options.smallest_um2, area.SHOWN_UM2)
    sums = tally(parts, {})
    table = pd.DataFrame(places_um(sums.only(keep), large))
    table["od"] = means(parts, walked.reach, walked.amounts)["target"][keep]
    table["counted"] = counted(sums.only(keep), free, large)
    table["class"] = "positive"
    facts = [bright(walked, whole * 1e6, settings)]
    return Readout(rows, table, outlines_of(parts, keep, sums.box, large), facts), walked


def measure_vessels(
    large: Large,
    settings: StainSettings,
    batch: BatchRow,
    options: vessels.Options,
    tile: int = TILE,
) -> tuple[Readout, Walked]:
    """See `vessels.measure`."""

    def masks(prepared: Prepared) -> Mapping[str, np.ndarray]:
        free = ~prepared.opened.implant
        stained = {
            name: (prepared.target >= batch.threshold * f) & free
            for name, f in variants(settings).items()
        }
        faint = specks.faint_of(prepared) | stained[""]
        return stained | {FAINT: faint}

    pad = reach_of(2 * options.gap_um, large)
    walked, swept = walk(large, settings, batch, masks, tile=tile, pad=pad), []
    free = tissue(walked, options.tear_um2)
    whole = walked.um2(free.total())
    for name, factor in [*variants(settings).items()][1:]:
        parts, told, keep = _profiles(walked, options, name, {})
        n, level = int(counted(told.only(keep), free, large).sum()), batch.threshold * factor
        swept += vessels.density_rows(settings, options, n, whole, level=level, variant=name)
    wide = replace(options, gap_um=2 * options.gap_um)
    _, told, keep = _profiles(walked, wide, "", {})
    fewer = int(counted(told.only(keep), free, large).sum())
    parts, sums, keep = _profiles(walked, options, "", {"stained": walked[""], "tissue": free})
    kept = sums.only(keep)
    table = pd.DataFrame(places_um(kept, large))
    od = means(parts, walked.reach, walked.amounts)
    table["od"] = od["target"][keep]
    inside = counted(kept, free, large)
    vessels.described(table, inside, kept.counts["stained"] * walked.um2(1))
    brown = local(np.logical_and, 0, walked[""], free).total()
    areas = vessels.Areas(walked.um2(kept.counts["tissue"].sum()), walked.um2(brown), whole)
    n, level = int(inside.sum()), batch.threshold
    rows = vessels.density_rows(settings, options, n, whole, level=level)
    rows += vessels.area_rows(settings, options, table, areas, level)
    facts = [vessels.joined(options, n, fewer), vessels.solid(table, options)]
    facts.append(bright(walked, whole, settings))
    facts.append(vessels.grains(table, (od["target"] + od["other"])[keep], settings))
    _, faint, large_enough = _profiles(walked, options, FAINT, {"stained": walked[""]})
    alone = faint.only(large_enough & (faint.counts["stained"] == 0))
    lost = int(counted(alone, free, large).sum())
    facts.append(specks.faint(lost, n, "vessels", options.faint_percent))
    shapes = outlines_of(parts, keep, sums.box, large)
    return Readout([*rows, *swept], table, shapes, facts), walked


def reach_of(gap_um: float, large: Large) -> int:
    """Pixels that closing a gap reaches."""
    return int(np.ceil(gap_um / 2 / large.pixel_um)) + 2


def closed(mask: Plane, gap_um: float, large: Large, fill_um2: float | None = None) -> Plane:
    """What is at most a gap apart joined, and with `fill_um2` what is then enclosed filled; see
    `detection.close_and_fill`."""
    half, pixel, reach = gap_um / 2, large.pixel_um, reach_of(gap_um, large)
    wide = local(partial(_dilated, half, pixel), reach, mask, padded=True)
    wide = wide if fill_um2 is None else fill_holes(wide, fill_um2, pixel**2)
    narrow = local(partial(_eroded, half, pixel), reach, wide, padded=True)
    return local(np.logical_or, 0, mask, narrow)


def _dilated(radius_um: float, pixel_um: float, mask: np.ndarray) -> np.ndarray:
    return dilate(mask, radius_um, pixel_um)


def _eroded(radius_um: float, pixel_um: float, mask: np.ndarray) -> np.ndarray:
    return erode(mask, radius_um, pixel_um)


def opened(radius_um: float, pixel_um: float, mask: np.ndarray) -> np.ndarray:
    """See `detection.opening`."""
    return opening(mask, radius_um, pixel_um)


def _profiles(walked: Walked, options: vessels.Options, name: str, planes: Mapping[str, Plane]):
    """Parts of filled profiles, their sums, and which of them (N,) are vessels; see
    `vessels.find`."""
    pixel2 = walked.um2(1)
    filled = closed(walked[name], options.gap_um, walked.large, options.lumen_um2)
    parts = parts_of(filled)
    sums = tally(parts, {"wall": walked[name], **planes})
    keep = sums.area * pixel2 >= options.smallest_um2
    return parts, sums, keep & (sums.counts["wall"] * pixel2 >= options.smallest_um2 / 2)
