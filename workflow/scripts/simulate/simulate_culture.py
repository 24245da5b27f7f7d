"""Draws scratch series and plates of all isolations.

Inputs
    targets: what every specimen should show.
Outputs
    the raw files that the sheet names, and truth/culture.tsv: what was realised.
"""

from functools import partial

import pandas as pd

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.simulate.culture import specimen_targets
from periomics.simulate.culture_files import write_plates, write_series
from periomics.simulate.layers import TRUTH_COLUMNS, rows_of


def main(snakemake):
    log = start_log(snakemake)
    params, targets = snakemake.params, specimen_targets(read_result(snakemake.input.targets))
    layer, at_h = params.settings["culture"], float(params.closure_h)
    scratches = [f for f in params.facts if f["assay"] == "scratch"]
    wells = [f for f in params.facts if f["assay"] == "plate"]
    draw = partial(write_series, targets=targets, layer=layer, seed=params.seed, at_h=at_h)
    truth = rows_of(draw, scratches, snakemake.threads) + write_plates(wells, targets, params.seed)
    table = pd.DataFrame(truth).reindex(columns=list(TRUTH_COLUMNS))
    table = table.sort_values(["specimen_id", "outcome", "variant", "time"])
    write_result(table, snakemake.output.truth, TRUTH_COLUMNS)
    log.info("%d scratch series, %d wells", len(scratches), len(wells))


if "snakemake" in globals():
    main(snakemake)
