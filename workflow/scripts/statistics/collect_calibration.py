"""Put the parts of a calibration together and compare every rate with its bound.

Inputs: the parts. Output: statistics/calibration.tsv with Clopper-Pearson limits; the log names every bound that does not hold.
"""

import pandas as pd

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.statistics.calibration.bounds import judged
from periomics.statistics.calibration.rates import COLUMNS


def main(snakemake):
    log = start_log(snakemake)
    parts = [read_result(part) for part in snakemake.input.parts]
    full = [p for p in parts if len(p)] or parts[:1]
    table = judged(pd.concat(full, ignore_index=True)).sort_values(
        ["scenario", "quantity", "claim_id", "outcome"], kind="stable"
    )
    broken = table[table["within"] == "no"]
    log.info(
        "%d rates, %d of them bounded, %d outside",
        len(table),
        int((table["within"] != "").sum()),
        len(broken),
    )
    for row in broken.to_dict("records"):
        log.warning(
            "%(scenario)s, %(quantity)s of %(claim_id)s %(outcome)s: %(share).4f (%(lower).4f to %(upper).4f)",
            row,
        )
    write_result(table, snakemake.output.calibration, COLUMNS)


if "snakemake" in globals():
    main(snakemake)
