"""Lists what changed since the claims were frozen and since the study was unblinded, with the effect on verdicts.

Inputs
    the lock of claims (absent where they were not frozen); the verdicts; outcomes/animals.tsv, the animals sheet, the claims and the
    outcome dictionary; the files that the lock holds digests of.
Outputs
    statistics/deviations.tsv: one row per change and verdict that differs; empty where nothing changed or nothing was frozen.
"""

import pandas as pd

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.statistics.claims.deviations import COLUMNS, declaration_deviations, input_deviations
from periomics.statistics.claims.inputs import load
from periomics.study.claims_lock import read_lock
from periomics.study.frozen import declared_items, inputs_changed
from periomics.study.study import load_study


def main(snakemake):
    log = start_log(snakemake)
    study = load_study(snakemake.params.config, snakemake.params.config["study_dir"])
    entries = read_lock(snakemake.input.get("lock") or None)
    analysis = load(snakemake.input, snakemake.params.config.get("roles"))
    declared = declaration_deviations(entries, declared_items(study), analysis, study.withheld)
    verdicts = read_result(snakemake.input.verdicts)
    parts = [declared, input_deviations(entries, inputs_changed(entries, study), verdicts)]
    table = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    if not entries:
        log.info(
            "the claims were never frozen (`snakemake freeze`): there is nothing to compare them with"
        )
    for row in table.to_dict("records"):
        log.info(
            "%s: %s: %s %s %s",
            row["item"],
            row["change"],
            row["claim_id"],
            row["outcome"],
            row["effect"],
        )
    write_result(table, snakemake.output.deviations, COLUMNS)


if "snakemake" in globals():
    main(snakemake)
