"""Vessels of an endothelial stain (CD31, vWF): density and area."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from periomics.core.quality import Fact
from periomics.histology import specks
from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    area_share,
    close_and_fill,
    counted,
    density,
    glass_fact,
    keep_labels,
    label,
    level_words,
    measurement,
    object_table,
    tissue_mask,
)
from periomics.histology.edits import accepted, as_edited, taken_out
from periomics.histology.fields import Sampled, sampled
from periomics.histology.profiles import densities, rings
from periomics.histology.settings import StainSettings, outcome_name
from periomics.imaging.rois import outlines

# A lumen's least area, and how many profiles a share of them is told of.
LUMEN_UM2, LEAST_PROFILES = 5.0, 20


@dataclass(frozen=True)
class Options(Sampled):
    """gap_um: walls closer are one vessel; smallest_um2 of a filled profile; largest lumen that is filled; a tear of the
    section at least this large is no tissue; where more profiles than `joined_percent` would join if gaps of twice the width were
    closed, walls are broken, and where more than `solid_percent` have no lumen, stained cells and
    specks lie among the vessels, and where more than `faint_percent` are too faint to be counted:
    the section is held back."""

    gap_um: float = 5.0
    smallest_um2: float = 10.0
    lumen_um2: float = 20000.0
    tear_um2: float = 20000.0
    joined_percent: float = 10.0
    solid_percent: float = 50.0
    faint_percent: float = 10.0


def find(
    prepared: Prepared, options: Options, factor: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of vessel profiles (lumen filled) and the stained pixels, in the whole image; `factor` scales the threshold."""
    pixel = prepared.pixel_um
    stained = (prepared.target >= prepared.threshold * factor) & ~prepared.opened.implant
    filled = close_and_fill(stained, options.gap_um, options.lumen_um2, pixel)
    labels = label(filled)
    # Closing rounds off small parts: the size that counts is of the stain and what it encloses.
    area = np.bincount(labels.ravel()) * pixel**2
    stain = np.bincount(labels[stained], minlength=len(area)) * pixel**2
    return keep_labels(
        labels, (area >= options.smallest_um2) & (stain >= options.smallest_um2 / 2)
    ), stained


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Density `mvd` (1/mm²: profiles over the region's area), area `va` and stained area `va` variant stained (%),
    mean equivalent diameter `vd` (µm).

    A profile is connected stain after closing gaps, with its lumen; connected profiles count once; profiles at the edge
    count by the rule of `detection.counted`. Source: Marien et al. 2016, doi 10.1371/journal.pone.0161496 (every positive
    object counts, connected ones once).
    """
    settings, pixel2 = prepared.settings, prepared.pixel_um**2
    tissue = tissue_mask(prepared, options.tear_um2)
    found, stained = find(prepared, options, factor)
    labels = as_edited(prepared.edits, found, prepared.opened)
    gone = taken_out(prepared.edits, found, labels)
    stained = stained & ~gone
    inside = counted(labels, tissue, prepared.opened.frame) & accepted(prepared.edits)
    n, level = int(inside.sum()), prepared.threshold * factor
    filled, brown, area = (
        float(m.sum() * pixel2) for m in ((labels > 0) & ~gone & tissue, stained & tissue, tissue)
    )
    if variant:
        return Readout(density_rows(settings, options, n, area, level=level, variant=variant))
    total = prepared.target if settings.shines else prepared.target + prepared.other
    objects = object_table(labels, prepared, od=prepared.target, total=total)
    both = objects.pop("total").to_numpy()
    wall = np.bincount(labels[stained], minlength=len(objects) + 1)[1:]
    described(objects, inside, wall * pixel2)
    rows = density_rows(settings, options, n, area, level=level)
    rows += area_rows(settings, options, objects, Areas(filled, brown, area), level)
    if options.profile_um > 0 and (name := outcome_name(settings, "density", "mvd")):
        rung, method = rings(prepared, options.profile_um, options.profile_to_um), rows[0]["method"]
        rows += densities(prepared, objects, tissue, rung, name, str(method))
    rows += sampled(prepared, options, objects, tissue, _method(settings, options, level))
    shapes = outlines(labels, prepared.opened.scale, prepared.opened.offset)
    wide = replace(options, gap_um=2 * options.gap_um)
    fewer = int(counted(find(prepared, wide)[0], tissue, prepared.opened.frame).sum())
    bright = glass_fact(float(prepared.opened.region.sum()) * pixel2, area, settings)
    facts = [joined(options, n, fewer), solid(objects, options), bright]
    facts.append(grains(objects, both, settings))
    if prepared.edits is not None:  # what lies apart and what is faint was seen by a person
        facts = facts[1:]
    else:
        facts.append(_faint(prepared, options, stained, tissue, n))
    return Readout(rows, objects, shapes, facts)


def _faint(
    prepared: Prepared, options: Options, stained: np.ndarray, tissue: np.ndarray, n: int
) -> Fact:
    mask = specks.faint_of(prepared) | stained
    filled = close_and_fill(mask, options.gap_um, options.lumen_um2, prepared.pixel_um)
    lost = specks.lost(filled, stained, tissue, prepared, options.smallest_um2)
    return specks.faint(lost, n, "vessels", options.faint_percent)


class Areas(NamedTuple):
    """µm² of vessels, of stain, and of tissue."""

    filled: float
    stained: float
    tissue: float


def described(objects: pd.DataFrame, inside: np.ndarray, wall_um2: np.ndarray) -> None:
    """Add to the table of profiles which are counted, what they enclose and how wide they are."""
    objects["counted"] = inside
    objects["class"] = np.where(inside, "positive", "excluded")
    objects["lumen_um2"] = objects["area_um2"] - wall_um2
    objects["diameter_um"] = 2 * np.sqrt(objects["area_um2"] / np.pi)


def _method(settings: StainSettings, options: Options, level: float) -> str:
    return f"{level_words(settings, level)}, gaps of {options.gap_um:g} um closed, lumen filled"


def density_rows(
    settings: StainSettings,
    options: Options,
    n: int,
    area_um2: float,
    *,
    level: float,
    variant: str = "",
) -> list[dict[str, object]]:
    """The row of the density, where it is asked for."""
    name, method = outcome_name(settings, "density", "mvd"), _method(settings, options, level)
    row = density(name, settings.roi, n, area_um2, n_sub=n, method=method, variant=variant)
    return [row] if name else []


def area_rows(
    settings: StainSettings, options: Options, objects: pd.DataFrame, areas: Areas, level: float
) -> list[dict[str, object]]:
    """Rows of areas and of the mean diameter."""
    roi, method, rows = settings.roi, _method(settings, options, level), []
    told = objects.loc[objects["counted"], "diameter_um"]
    n, area = len(told), areas.tissue
    if name := outcome_name(settings, "area", "va"):
        rows.append(area_share(name, roi, areas.filled, area, n_sub=n, method=method))
        rows.append(
            area_share(name, roi, areas.stained, area, n_sub=n, method=method, variant="stained")
        )
    if (name := outcome_name(settings, "diameter", "vd")) and n:
        of = Of(float(told.sum()), n, "vessels")
        rows.append(measurement(name, roi, of.numerator / n, "um", of, n_sub=n, method=method))
    return rows


def solid(objects: pd.DataFrame, options: Options) -> Fact:
    """Share of the profiles that enclose nothing, 0 where there are too few to tell."""
    told = objects.loc[objects["counted"], "lumen_um2"]
    share = 100 * float((told < LUMEN_UM2).mean()) if len(told) >= LEAST_PROFILES else 0.0
    return Fact("vessels without a lumen", share, "%", options.solid_percent)


def grains(objects: pd.DataFrame, both: np.ndarray, settings: StainSettings) -> Fact:
    """Share of the counted profiles that are grains of precipitate; `both`: mean of both stains."""
    area, lumen = objects["area_um2"].to_numpy(), objects["lumen_um2"].to_numpy()
    hollow, inside = lumen >= LUMEN_UM2, objects["counted"].to_numpy(bool)
    od = objects["od"].to_numpy()
    found = specks.grains(area, area - lumen, hollow, od=od, total=both) & inside
    share = 100 * float(found.sum() / max(1, inside.sum()))
    return Fact("dense grains among vessels", share, "%", settings.max_specks_percent)


def joined(options: Options, n: int, fewer: int) -> Fact:
    """Share of the n profiles that join where gaps of twice the width are closed; two of them are
    chance."""
    share = 100 * max(0, n - fewer - 2) / max(n, 1)
    name = f"vessels that join where gaps of {2 * options.gap_um:g} um are closed"
    return Fact(name, share, "%", options.joined_percent)
