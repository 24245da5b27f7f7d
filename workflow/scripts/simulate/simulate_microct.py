"""Simulate the micro-CT scans of a study: raw files in the sheet's formats, and the truth of each.

Input: targets per specimen (`bvtv`, %). Output: one scan a row of the sheet, and what was realised, by the definitions of
the config's `microct` section. Specimens are drawn each with a seed of their own, so the number of processes is free.
"""

from functools import partial

import pandas as pd

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.simulate.layers import TRUTH_COLUMNS, rows_of
from periomics.simulate.microct import scan_model, shares_of, simulate_to_file
from periomics.study.settings.microct import Microct


def main(snakemake):
    log = start_log(snakemake)
    wanted = {str(path) for path in snakemake.output.raw}
    rows = [facts for facts in snakemake.params.facts if str(facts["path"]) in wanted]
    jobs = shares_of(rows, read_result(snakemake.input.targets))
    model = scan_model(snakemake.params.settings.get("microct") or {})
    definitions = Microct.of(snakemake.params.definitions, "microct")
    seed = snakemake.params.seed
    draw = partial(simulate_to_file, model=model, definitions=definitions, seed=seed)
    truth = rows_of(draw, jobs, snakemake.threads)
    log.info("%d scans of %s voxels", len(rows), model.shape)
    table = pd.DataFrame(truth, columns=list(TRUTH_COLUMNS))
    write_result(table, snakemake.output.truth, TRUTH_COLUMNS)


if "snakemake" in globals():
    main(snakemake)
