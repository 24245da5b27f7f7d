"""Estimate every declared contrast of every outcome, and the rescue fraction of every treated arm.

Inputs: outcomes/animals.tsv, the animals sheet, the claims and the outcome dictionary. Outputs: statistics/contrasts.tsv, with
reproduce.tsv and reproduce.R, which repeat its confirmatory rows in R; statistics/rescue.tsv, statistics/losses.tsv (lost animals ranked
worst) and statistics/batches.tsv (animals of each arm in each batch). While groups are coded all but the last are empty.
"""

from periomics.core.files import write_text
from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.statistics.claims.blinded import visible
from periomics.statistics.claims.estimates import (
    BATCH_COLUMNS,
    CONTRAST_COLUMNS,
    RESCUE_COLUMNS,
    batch_table,
    contrast_table,
    rescue_table,
)
from periomics.statistics.claims.inputs import load
from periomics.statistics.claims.judging import verdict_table, with_family_levels
from periomics.statistics.claims.losses import COLUMNS as LOSS_COLUMNS
from periomics.statistics.claims.losses import loss_table
from periomics.statistics.claims.reproduced import COLUMNS as VALUES
from periomics.statistics.claims.reproduced import SCRIPT, reproducible


def main(snakemake):
    log = start_log(snakemake)
    analysis, seed = load(snakemake.input, snakemake.params.get("roles")), snakemake.params.seed
    compared = visible(analysis, snakemake.params.get("withheld"))
    contrasts = contrast_table(compared, int(seed))
    contrasts = with_family_levels(contrasts, verdict_table(compared))
    log.info(
        "%d contrasts, %d of them without inference",
        len(contrasts),
        int(contrasts["p"].isna().sum()),
    )
    write_result(contrasts[list(CONTRAST_COLUMNS)], snakemake.output.contrasts, CONTRAST_COLUMNS)
    write_result(reproducible(compared, contrasts), snakemake.output.animals, VALUES)
    write_text(SCRIPT.read_text(encoding="utf-8"), snakemake.output.script)
    write_result(rescue_table(compared), snakemake.output.rescue, RESCUE_COLUMNS)
    losses = loss_table(compared, int(seed))
    write_result(losses, snakemake.output.losses, LOSS_COLUMNS)
    write_result(batch_table(analysis.animals), snakemake.output.batches, BATCH_COLUMNS)


if "snakemake" in globals():
    main(snakemake)
