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
    keep_labels,
    label,
    level_text,
    measurement,
    object_table,
    tissue_mask,
)
from periomics.histology.profiles import Profiled, rings, shares
from periomics.histology.settings import outcome_name
from periomics.imaging.rois import outlines


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
    settings, roi = prepared.settings, prepared.settings.roi
    name = outcome_name(settings, "share", "")
    if not name:
        raise InputError(
            "needs the name of its outcome",
            file=f"config, histology/stains/{settings.stain}/outcomes/share",
        )
    tissue = tissue_mask(prepared, options.glass_um2)
    labels = label((prepared.target >= prepared.threshold * factor) & tissue)
    size = np.bincount(labels.ravel()) * prepared.pixel_um**2
    labels = keep_labels(labels, size >= options.smallest_um2)
    area, stained = (float(m.sum()) * prepared.pixel_um**2 * 1e-6 for m in (tissue, labels > 0))
    n = int(labels.max())
    method = level_text(prepared, prepared.threshold * factor)
    share, of = 100 * stained / area if area else 0, Of(stained, area, "mm2")
    rows = [measurement(name, roi, share, "%", of, n_sub=n, method=method, variant=variant)]
    if variant:
        return Readout(rows)
    if options.profile_um > 0:
        rung = rings(prepared, options.profile_um, options.profile_to_um)
        rows += shares(prepared, (labels > 0, tissue), rung, name, method)
    # A texture falls into thousands of specks: only parts a person could point at become objects.
    labels = keep_labels(
        labels,
        np.bincount(labels.ravel()) * prepared.pixel_um**2 >= max(options.smallest_um2, 20.0),
    )
    objects = object_table(labels, prepared, od=prepared.target)
    objects["counted"] = counted(labels, tissue, prepared.opened.frame)
    objects["class"] = "positive"
    return Readout(rows, objects, outlines(labels, prepared.opened.scale, prepared.opened.offset))
