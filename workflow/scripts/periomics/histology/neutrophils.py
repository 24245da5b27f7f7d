"""Cells with a stained cytoplasm and a lobed nucleus (MPO): density and stained area."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from periomics.core.quality import Fact
from periomics.histology import specks
from periomics.histology.detection import (
    Prepared,
    Readout,
    area_share,
    close_gaps,
    counted,
    density,
    dilate,
    fill_holes,
    glass_fact,
    keep_labels,
    label,
    level_words,
    object_table,
    opening,
    split_touching,
    tissue_mask,
)
from periomics.histology.edits import accepted, as_edited, taken_out
from periomics.histology.profiles import Profiled, densities, rings
from periomics.histology.settings import StainSettings, outcome_name
from periomics.imaging.rois import outlines

# So much of a cell is in the counterstain's light where it holds a nucleus.
NUCLEAR = 0.05
# Pixels of the blocks in which rings around nuclei are looked at.
BLOCK = 256


@dataclass(frozen=True)
class Options(Profiled):
    """lobes_um: lobes closer are one cell; expand_um: ring around a nucleus that must be stained; cell_um: usual diameter;
    smallest_um2 of a cell; glass_um2: a hole at least this large is no tissue; a section is held
    back where more than `loose_percent` of the stain lies in no cell, where more than
    `faint_percent` of the cells are too faint to be counted and, in fluorescence, where more than
    `bare_percent` of them hold no nucleus."""

    lobes_um: float = 3.0
    expand_um: float = 2.0
    cell_um: float = 9.5
    smallest_um2: float = 25.0
    glass_um2: float = 150.0
    bare_percent: float = 50.0
    loose_percent: float = 50.0
    faint_percent: float = 10.0


def find(
    prepared: Prepared, options: Options, factor: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of positive cells and the stained pixels, in the whole image."""
    pixel = prepared.pixel_um
    stained = (prepared.target >= prepared.threshold * factor) & ~prepared.opened.implant
    labels = split_touching(_bodies(prepared, options, stained), options.cell_um, pixel)
    area = np.bincount(labels.ravel()) * pixel**2
    return keep_labels(labels, area >= options.smallest_um2), stained


def _bodies(prepared: Prepared, options: Options, stained: np.ndarray) -> np.ndarray:
    """Bodies of cells, touching ones together, of the pixels that are stained."""
    pixel, free = prepared.pixel_um, ~prepared.opened.implant
    # A dark nucleus can hide the brown above it: nuclei whose ring is brown belong to the cell.
    nuclei = label((prepared.other >= prepared.second) & free)
    body = stained | _with_brown_ring(nuclei, stained, options.expand_um, pixel)
    body = fill_holes(
        close_gaps(body, options.lobes_um, pixel), np.pi * options.cell_um**2 / 4, pixel
    )
    return opening(body, options.cell_um / 6, pixel)


def _with_brown_ring(
    nuclei: np.ndarray, stained: np.ndarray, expand_um: float, pixel: float
) -> np.ndarray:
    """Nuclei at least 60 % of whose surrounding ring is stained."""
    from skimage.segmentation import expand_labels

    if not nuclei.any():
        return np.zeros(nuclei.shape, bool)
    near = dilate(stained, expand_um, pixel)
    touched = np.zeros(nuclei.max() + 1, bool)
    touched[np.unique(nuclei[near])] = True
    some = np.where(touched[nuclei], nuclei, 0)
    size, brown = np.zeros((2, len(touched)), np.int64)
    reach = int(np.ceil(expand_um / pixel)) + 2
    for y in range(0, some.shape[0], BLOCK):  # few nuclei are touched: most blocks hold none
        for x in range(0, some.shape[1], BLOCK):
            top, left = max(0, y - reach), max(0, x - reach)
            window = some[top : y + BLOCK + reach, left : x + BLOCK + reach]
            if not window.any():
                continue
            ring = expand_labels(window, expand_um / pixel)
            ring[window > 0] = 0
            ring = ring[y - top : y - top + BLOCK, x - left : x - left + BLOCK]
            size += np.bincount(ring.ravel(), minlength=len(size))
            here = ring[stained[y : y + BLOCK, x : x + BLOCK]]
            brown += np.bincount(here, minlength=len(size))
    size[0] = brown[0] = 0
    keep = (brown >= 0.6 * size) & (size > 0)
    keep[0] = False
    return keep[some]


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Density `neu` (1/mm²: cells over tissue area) and stained area `neu_area` (%).

    Tissue is the region without implant, its margin, and holes of the section. Lobes within `lobes_um` are one cell.
    """
    settings, pixel2 = prepared.settings, prepared.pixel_um**2
    tissue = tissue_mask(prepared, options.glass_um2)
    found, stained = find(prepared, options, factor)
    labels = as_edited(prepared.edits, found, prepared.opened)
    stained = stained & ~taken_out(prepared.edits, found, labels)
    inside = counted(labels, tissue, prepared.opened.frame) & accepted(prepared.edits)
    n, level = int(inside.sum()), prepared.threshold * factor
    brown, area = (float(m.sum() * pixel2) for m in (stained & tissue, tissue))
    rows = rows_of(settings, n, brown, area, level=level, variant=variant)
    if variant:
        return Readout(rows)
    objects = object_table(labels, prepared, od=prepared.target, counterstain_od=prepared.other)
    objects["counted"] = inside
    objects["class"] = np.where(inside, "positive", "excluded")
    if options.profile_um > 0 and (name := outcome_name(settings, "density", "neu")):
        rung = rings(prepared, options.profile_um, options.profile_to_um)
        rows += densities(prepared, objects, tissue, rung, name, str(rows[0]["method"]))
    shapes = outlines(labels, prepared.opened.scale, prepared.opened.offset)
    bright = glass_fact(float(prepared.opened.region.sum()) * pixel2, area, settings)
    facts = [bright, dense(objects, settings), loose(objects, brown, options)]
    if prepared.edits is None:
        bodies = _bodies(prepared, options, specks.faint_of(prepared) | stained)
        lost = specks.lost(bodies, stained, tissue, prepared, options.smallest_um2)
        facts.append(specks.faint(lost, n, "cells", options.faint_percent))
    if settings.shines and len(settings.channels) > 1:
        facts.append(_bare(labels, inside, prepared, options))
    return Readout(rows, objects, shapes, facts)


def _bare(labels: np.ndarray, inside: np.ndarray, prepared: Prepared, options: Options) -> Fact:
    """Share of the counted cells in which the counterstain shows no nucleus: specks of antibody,
    or nuclei that were taken for the marker."""
    size = np.bincount(labels.ravel())
    blue = np.bincount(labels.ravel(), (prepared.other >= prepared.second).ravel(), len(size))
    bare = (blue < NUCLEAR * size)[1:][inside]
    share = 100 * float(bare.mean()) if len(bare) >= specks.LEAST_OBJECTS else 0.0
    return Fact("cells without a nucleus", share, "%", options.bare_percent)


def loose(objects: pd.DataFrame, brown_um2: float, options: Options) -> Fact:
    """Share of the stain that lies in no cell, at least: bodies too small for one are left out, as
    where the pixel size is wrong or they are no cells. What is stained of cells is not more than
    the cells, which hold their nuclei too."""
    share = 0.0
    if brown_um2 >= specks.LEAST_OBJECTS * np.pi * options.cell_um**2 / 4:
        share = 100 * max(0.0, 1 - float(objects["area_um2"].sum()) / brown_um2)
    return Fact("stain in no cell", share, "%", options.loose_percent)


def dense(objects: pd.DataFrame, settings: StainSettings) -> Fact:
    """Share of the counted cells that are small and dense, or far darker than the others."""
    told = objects[objects["counted"]]
    area, od = told["area_um2"].to_numpy(), told["od"].to_numpy()
    total = od + told["counterstain_od"].to_numpy()
    return specks.fact(area, od, total, "cells", settings.max_specks_percent)


def rows_of(
    settings: StainSettings,
    n: int,
    brown_um2: float,
    area_um2: float,
    *,
    level: float,
    variant: str = "",
) -> list[dict[str, object]]:
    """Rows of the density of n cells and of the stained share of the tissue."""
    roi, method = settings.roi, f"{level_words(settings, level)} with nuclei, split by distance"
    rows = []
    if name := outcome_name(settings, "density", "neu"):
        rows.append(density(name, roi, n, area_um2, n_sub=n, method=method, variant=variant))
    if not variant and (name := outcome_name(settings, "area", "neu_area")):
        rows.append(area_share(name, roi, brown_um2, area_um2, n_sub=n, method=method))
    return rows
