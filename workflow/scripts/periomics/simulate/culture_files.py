"""Writing simulated cultures: image series, and plates as a reader exports them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.files import atomic
from periomics.core.results import write_result
from periomics.core.seeds import generator
from periomics.simulate.culture import series_for, series_truth, simulate_plate

Targets = Mapping[str, Mapping[str, float]]


def write_series(
    fact: Mapping[str, Any], *, targets: Targets, layer: Mapping[str, Any], seed: int, at_h: float
) -> list[dict[str, Any]]:
    """Draw the scratch series of a row of the cultures sheet into its file; its truth rows.

    Parameters
    ----------
    fact
        Row of the sheet.
    targets
        specimen_id → target → value.
    layer
        The config's `simulate: culture:`.
    seed
        The study's.
    at_h
        Time (h) at which closure is reported.
    """
    import tifffile

    series = series_for(fact, targets, layer, seed)
    with atomic(fact["path"]) as part:
        tifffile.imwrite(part, series.frames, photometric="minisblack", compression="zlib")
    times = np.arange(int(layer["frames"])) * float(layer["interval_h"])
    ids = {k: fact[k] for k in ("specimen_id", "animal_id")}
    return [{**ids, **row} for row in series_truth(series, times, float(layer["pixel_um"]), at_h)]


def write_plates(
    facts: Sequence[Mapping[str, Any]], targets: Targets, seed: int
) -> list[dict[str, Any]]:
    """Draw every plate that rows of the cultures sheet name into its file; truth rows of all wells."""
    truth: list[dict[str, Any]] = []
    wells = pd.DataFrame(list(facts))
    for (path, readout), part in wells.groupby(["path", "readout"]) if len(wells) else []:
        rng = generator(seed, "simulate_culture", Path(path).name)
        plate, more = simulate_plate(part.to_dict("records"), targets, readout, rng)
        write_result(plate, path)
        truth += more
    return truth
