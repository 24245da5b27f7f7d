"""Draws scratch series and plates of all isolations.

Inputs
    targets: what every specimen should show.
Outputs
    the raw files that the sheet names, and truth/culture.tsv: what was realised.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from periomics.core.files import atomic
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.core.seeds import generator
from periomics.simulate.culture import series_for, series_truth, simulate_plate, specimen_targets

COLUMNS = [
    "specimen_id",
    "animal_id",
    "section_id",
    "field_id",
    "roi",
    "outcome",
    "variant",
    "time",
    "truth",
]


def draw_series(fact, targets, layer, seed, at_h):
    series = series_for(fact, targets, layer, seed)
    with atomic(fact["path"]) as part:
        tifffile.imwrite(part, series.frames, photometric="minisblack", compression="zlib")
    times = np.arange(int(layer["frames"])) * float(layer["interval_h"])
    ids = {k: fact[k] for k in ("specimen_id", "animal_id")}
    return [{**ids, **row} for row in series_truth(series, times, float(layer["pixel_um"]), at_h)]


def main(snakemake):
    log = start_log(snakemake)
    facts, seed, layer = (
        snakemake.params.facts,
        snakemake.params.seed,
        snakemake.params.settings["culture"],
    )
    targets = specimen_targets(read_result(snakemake.input.targets))
    scratches = [f for f in facts if f["assay"] == "scratch"]
    draw = partial(
        draw_series, targets=targets, layer=layer, seed=seed, at_h=float(snakemake.params.closure_h)
    )
    with ProcessPoolExecutor(snakemake.threads) as pool:
        truth = [row for rows in pool.map(draw, scratches) for row in rows]
    wells = pd.DataFrame([f for f in facts if f["assay"] == "plate"])
    for (path, readout), part in wells.groupby(["path", "readout"]) if len(wells) else []:
        rows = part.to_dict("records")
        plate, more = simulate_plate(
            rows, targets, readout, generator(seed, "simulate_culture", Path(path).name)
        )
        write_result(plate, path)
        truth += more
    table = pd.DataFrame(truth).reindex(columns=COLUMNS)
    write_result(
        table.sort_values(["specimen_id", "outcome", "variant", "time"]),
        snakemake.output.truth,
        COLUMNS,
    )
    log.info("%d scratch series, %d wells", len(scratches), len(wells))


if "snakemake" in globals():
    main(snakemake)
