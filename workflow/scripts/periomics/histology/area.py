"""Stained share of a region, for any stain: collagen, smooth muscle, the segmentation-free twin of a count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from periomics.core.errors import InputError
from periomics.histology.detection import (
    Of,
    Prepared,
    Readout,
    counted,
    glass_fact,
    keep_labels,
    label,
    level_words,
    measurement,
    object_table,
    tissue_mask,
)
from periomics.histology.profiles import Profiled, rings, shares
from periomics.histology.settings import StainSettings, outcome_name
from periomics.imaging.rois import outlines

# Of a texture, which falls into thousands of specks, only parts a person could point at become
# objects.
SHOWN_UM2 = 20.0


@dataclass(frozen=True)
class Options(Profiled):
    """smallest_um2: stained parts below are left out; glass_um2: a hole at least this large is no tissue."""

    smallest_um2: float = 0.0
    glass_um2: float = 150.0


def measure(
    prepared: Prepared, options: Options, factor: float = 1.0, variant: str = ""
) -> Readout:
    """Stained area over tissue area (%), as the outcome that the config names under `outcomes: {share: …}`.

    Raises
    ------
    InputError
        If the config names no outcome: there is no default for a stain that is not known.
    """
    tissue = tissue_mask(prepared, options.glass_um2)
    labels = label((prepared.target >= prepared.threshold * factor) & tissue)
    size = np.bincount(labels.ravel()) * prepared.pixel_um**2
    labels = keep_labels(labels, size >= options.smallest_um2)
    area, stained = (float(m.sum()) * prepared.pixel_um**2 * 1e-6 for m in (tissue, labels > 0))
    level = prepared.threshold * factor
    of, n = Of(stained, area, "mm2"), int(labels.max())
    rows = [share_row(prepared.settings, of, n_sub=n, level=level, variant=variant)]
    if variant:
        return Readout(rows)
    if options.profile_um > 0:
        rung = rings(prepared, options.profile_um, options.profile_to_um)
        name, method = str(rows[0]["outcome"]), str(rows[0]["method"])
        rows += shares(prepared, (labels > 0, tissue), rung, name, method)
    labels = keep_labels(
        labels,
        np.bincount(labels.ravel()) * prepared.pixel_um**2 >= max(options.smallest_um2, SHOWN_UM2),
    )
    objects = object_table(labels, prepared, od=prepared.target)
    objects["counted"] = counted(labels, tissue, prepared.opened.frame)
    objects["class"] = "positive"
    shapes = outlines(labels, prepared.opened.scale, prepared.opened.offset)
    bright = glass_fact(float(prepared.opened.region.sum()), float(tissue.sum()), prepared.settings)
    return Readout(rows, objects, shapes, [bright])


def share_row(
    settings: StainSettings, of: Of, *, n_sub: int, level: float, variant: str = ""
) -> dict[str, object]:
    """The row of the stained share; `of` holds the stained and all of the tissue, mm².

    Raises
    ------
    InputError
        If the config names no outcome.
    """
    name = outcome_name(settings, "share", "")
    if not name:
        raise InputError(
            "needs the name of its outcome",
            file=f"config, histology/stains/{settings.stain}/outcomes/share",
        )
    share = 100 * of.numerator / of.denominator if of.denominator else 0
    method = level_words(settings, level)
    return measurement(
        name, settings.roi, share, "%", of, n_sub=n_sub, method=method, variant=variant
    )
