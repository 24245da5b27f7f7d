"""Cells of two markers: density of either and of both (CD68 and CD206, iNOS and CD206, CD4 and
FOXP3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    close_gaps,
    counted,
    density,
    fill_holes,
    keep_labels,
    measurement,
    object_table,
    opening,
    split_touching,
)
from periomics.histology.edits import accepted, as_edited, said
from periomics.histology.settings import outcome_name
from periomics.imaging.rois import outlines


@dataclass(frozen=True)
class Options:
    """cell_um: usual diameter; smallest_um2 of a cell; gap_um: stained parts closer are one;
    share_percent: share of a cell that a marker must stain."""

    cell_um: float = 12.0
    smallest_um2: float = 25.0
    gap_um: float = 2.0
    share_percent: float = 20.0


def find(prepared: Prepared, masks: tuple[np.ndarray, np.ndarray], options: Options) -> np.ndarray:
    """Labels of cells: what either marker stains, holes of the size of nuclei filled, touching ones
    split."""
    pixel = prepared.pixel_um
    cell = np.pi * options.cell_um**2 / 4
    body = fill_holes(close_gaps(masks[0] | masks[1], options.gap_um, pixel), cell / 2, pixel)
    labels = split_touching(
        opening(body, options.cell_um / 8, pixel), options.cell_um, pixel_um=pixel
    )
    return keep_labels(labels, np.bincount(labels.ravel()) * pixel**2 >= options.smallest_um2)


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """What the config names under `outcomes`: cells of the `first` marker, of the `second`, of
    `both` (1/mm² of the region), `share` (those of both over those of the first, %), `ratio`
    (second over first).

    A cell has a marker if that stains `share_percent` of it. Nuclei take no part. Without a
    counterstain tissue is not told from glass, so that the region is what cells are counted over.
    """
    settings, roi, free = prepared.settings, prepared.settings.roi, ~prepared.opened.implant
    first, second = (
        (amount >= level * factor) & free
        for amount, level in (
            (prepared.other, prepared.second),
            (prepared.target, prepared.threshold),
        )
    )
    labels = find(prepared, (first, second), options)
    labels = as_edited(prepared.edits, labels, prepared.opened)
    table = object_table(
        labels, prepared, first_percent=100.0 * first, second_percent=100.0 * second
    )
    inside = counted(labels, prepared.opened.region, prepared.opened.frame)
    inside &= accepted(prepared.edits)
    has = [
        table[k].to_numpy() >= options.share_percent for k in ("first_percent", "second_percent")
    ]
    names = prepared.settings.pair.stains
    has = _as_said(prepared, has, names)
    of_both = has[0] & has[1]
    n = {"first": has[0], "second": has[1], "both": of_both}
    count = {k: int((inside & v).sum()) for k, v in n.items()}
    method = f"{names[0]} and {names[1]}, each on {options.share_percent:g} % of a cell"
    area = float(prepared.opened.region.sum()) * prepared.pixel_um**2
    rows = []
    for key, number in count.items():
        if name := outcome_name(settings, key, ""):
            row = density(name, roi, number, area, n_sub=number, method=method, variant=variant)
            rows.append(row)
    base = count["first"]
    for key, top, unit, times in (("share", "both", "%", 100), ("ratio", "second", "1", 1)):
        if name := outcome_name(settings, key, ""):
            of, value = Of(count[top], base, f"{names[0]} cells"), times * count[top] / max(base, 1)
            rows.append(
                measurement(name, roi, value, unit, of, n_sub=base, method=method, variant=variant)
            )
    if variant:
        return Readout(rows)
    table["counted"] = inside
    table["class"] = np.select(
        [~inside, of_both, has[0], has[1]],
        ["excluded", f"{names[0]}+ {names[1]}+", f"{names[0]}+", f"{names[1]}+"],
        "uncertain",
    )
    return Readout(rows, table, outlines(labels, prepared.opened.scale, prepared.opened.offset))


def _as_said(prepared: Prepared, has: list[np.ndarray], names: Sequence[str]) -> list[np.ndarray]:
    """Which cells have either marker, where a person gave them a class by that."""
    both, one, other, none = (
        said(prepared.edits, name)
        for name in (f"{names[0]}+ {names[1]}+", f"{names[0]}+", f"{names[1]}+", "uncertain")
    )
    first = (has[0] | both | one) & ~other & ~none
    return [first, (has[1] | both | other) & ~one & ~none]
