"""Estimate every declared contrast of every outcome, and the rescue fraction of every treated arm.

Inputs: outcomes/animals.tsv, the animals sheet, the claims and the outcome dictionary. Outputs: statistics/contrasts.tsv,
statistics/rescue.tsv and statistics/batches.tsv (animals of each arm in each batch).
"""

from pathlib import Path

import yaml

from periomics.statistics.animals import prepare
from periomics.statistics.estimates import (
    BATCH_COLUMNS,
    CONTRAST_COLUMNS,
    RESCUE_COLUMNS,
    batch_table,
    contrast_table,
    rescue_table,
)
from periomics.statistics.judging import verdict_table, with_family_levels
from periomics.statistics.plan import read_plan
from periomics.study.dictionary import load_dictionary
from periomics.study.logs import start_log
from periomics.study.results import read_result, write_result
from periomics.study.sheets import read_sheet


def main(snakemake):
    log = start_log(snakemake)
    path = snakemake.input.get("claims")
    claims = yaml.safe_load(Path(str(path)).read_text(encoding="utf-8")) if path else {}
    plan = read_plan(claims, snakemake.params.get("roles"), str(path))
    dictionary = load_dictionary(snakemake.input.dictionary)
    sheet = read_sheet("animals", snakemake.input.get("animals") or None)
    prepared = prepare(read_result(snakemake.input.outcomes), sheet, dictionary)
    contrasts = contrast_table(plan, prepared, dictionary, int(snakemake.params.seed))
    contrasts = with_family_levels(contrasts, verdict_table(plan, prepared, dictionary))
    log.info("%d contrasts, %d of them without inference", len(contrasts), int(contrasts["p"].isna().sum()))
    write_result(contrasts, snakemake.output.contrasts, CONTRAST_COLUMNS)
    write_result(rescue_table(plan, prepared), snakemake.output.rescue, RESCUE_COLUMNS)
    write_result(batch_table(prepared), snakemake.output.batches, BATCH_COLUMNS)


if "snakemake" in globals():
    main(snakemake)
