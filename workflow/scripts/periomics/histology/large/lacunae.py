"""Lacunae of bone in a large section."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from periomics.histology import lacunae
from periomics.histology.batch import BatchRow
from periomics.histology.detection import Prepared, Readout, dilate
from periomics.histology.large.objects import means, outlines_of, places_um, shapes_of, tally
from periomics.histology.large.section import TILE, Large
from periomics.histology.large.stained import opened, reach_of
from periomics.histology.large.tiles import Walked, walk
from periomics.histology.settings import StainSettings, variants
from periomics.imaging.parts import Parts, fill_holes, parts_of
from periomics.imaging.planes import local


def measure_lacunae(
    large: Large,
    settings: StainSettings,
    batch: BatchRow,
    options: lacunae.Options,
    tile: int = TILE,
) -> tuple[Readout, Walked]:
    """See `lacunae.measure`."""

    def masks(prepared: Prepared) -> Mapping[str, np.ndarray]:
        found = {"holes": lacunae.pale_holes(prepared)}
        for name, factor in variants(settings).items():
            found[f"nuclear{name}"] = prepared.target >= batch.threshold * factor
            found[f"pale{name}"] = prepared.target >= batch.threshold * factor / 2
        return found

    walked = walk(large, settings, batch, masks, tile=tile, pad=0)
    factor_um = large.pixel_um / large.scale
    area = walked.um2(walked["region"].total()) * 1e-6
    bone = lacunae.Bone(area, lacunae.bone_um(large.annotations, settings, factor_um))
    rows: list[dict[str, object]] = []
    for name, factor in reversed(variants(settings).items()):
        parts, keep, box, table = _find(walked, options, name)
        if not name:
            table.insert(
                4, "haematoxylin_od", means(parts, walked.reach, walked.amounts)["target"][keep]
            )
        lacunae.classified(table, options)
        level = batch.threshold * factor
        rows = lacunae.rows_of(settings, options, table, bone, level=level, variant=name) + rows
    return Readout(rows, table, outlines_of(parts, keep, box, large)), walked


def _find(
    walked: Walked, options: lacunae.Options, name: str
) -> tuple[Parts, np.ndarray, np.ndarray, pd.DataFrame]:
    """Parts, which of them (N,) are lacunae, the boxes of all, and the table of lacunae; see
    `lacunae.find`."""
    large, pixel = walked.large, walked.large.pixel_um
    nuclear, bone = walked[f"nuclear{name}"], walked["region"]
    hole = local(_hole, 0, walked["holes"], nuclear, bone)
    hole = fill_holes(hole, options.largest_um2, pixel**2)
    hole = local(partial(opened, 0.75, pixel), 2 * reach_of(1.5, large), hole)
    edge = local(partial(_beside, pixel), 4, bone)
    parts = parts_of(hole, 4)
    planes = {"edge": edge, "nuclear": nuclear, "pale": walked[f"pale{name}"]}
    sums = tally(parts, planes)
    um2 = sums.area * pixel**2
    keep = (um2 >= options.smallest_um2) & (um2 <= options.largest_um2) & (sums.counts["edge"] == 0)
    keep &= (sums.box[:, :2] > large.part[:2]).all(axis=1)
    keep &= (sums.box[:, 2:] < large.part[2:]).all(axis=1)
    keep[np.flatnonzero(keep)] = _solid(parts, keep, sums.box) >= options.solidity
    kept = sums.only(keep)
    table = pd.DataFrame(places_um(kept, large))
    for column, plane in (("nucleus_um2", "nuclear"), ("pale_um2", "pale")):
        table[column] = kept.counts[plane] * pixel**2
    return parts, keep, sums.box, table


def _hole(pale: np.ndarray, nuclear: np.ndarray, bone: np.ndarray) -> np.ndarray:
    return (pale | nuclear) & bone


def _beside(pixel_um: float, bone: np.ndarray) -> np.ndarray:
    return dilate(~bone, 1.5 * pixel_um, pixel_um)


def _solid(parts: Parts, keep: np.ndarray, box: np.ndarray) -> np.ndarray:
    out = np.zeros(int(np.count_nonzero(keep)))
    for which, labels, _, _ in shapes_of(parts, keep, box):
        out[which] = lacunae.solidity(labels)
    return out
