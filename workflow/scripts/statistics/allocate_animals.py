"""Allocate the animals of the next study to arms, and their specimens to batches.

Inputs: the animals sheet and the sheets of specimens. Outputs: planning/allocation.tsv (arm of every animal), planning/layout.tsv (what the
operator is given: no arm, block or animal), planning/layout_key.tsv (kept apart from it) and planning/balance.tsv.
"""

from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.statistics.planning.allocation_tables import (
    ALLOCATION_COLUMNS,
    BALANCE_COLUMNS,
    allocation_table,
    balance_table,
    layout_key,
    planned_arms,
)
from periomics.statistics.planning.layout import KEY_COLUMNS, LAYOUT_COLUMNS, operator_sheet
from periomics.study.modalities import BATCHES
from periomics.study.settings.planning import Planning
from periomics.study.sheets import read_sheet


def main(snakemake):
    log = start_log(snakemake)
    settings = Planning.of(snakemake.params.settings, "planning")
    seed = int(snakemake.params.seed)
    names = ("animals", *BATCHES)
    sheets = {n: read_sheet(n, snakemake.input.get(n) or None) for n in names}
    file = str(snakemake.input.get("animals") or "animals sheet")
    arms = planned_arms(settings, snakemake.params.get("roles") or {}, sheets["animals"])
    table, allocation = allocation_table(sheets["animals"], arms, settings, seed, file)
    key = layout_key(table, settings.batches, sheets, seed)
    balance = balance_table(table, allocation, key, arms)
    for row in balance[balance["reason"] != ""].to_dict("records"):
        log.info(
            "%s, %s: %.4g %s (%s)",
            row["part"],
            row["what"],
            row["value"],
            row["unit"],
            row["reason"],
        )
    log.info("%d animals, %d specimens in batches", len(table), len(key))
    write_result(table, snakemake.output.allocation, ALLOCATION_COLUMNS)
    write_result(
        operator_sheet(key, [*arms, *set(table["arm"])]), snakemake.output.layout, LAYOUT_COLUMNS
    )
    write_result(key, snakemake.output.key, KEY_COLUMNS)
    write_result(balance, snakemake.output.balance, BALANCE_COLUMNS)


if "snakemake" in globals():
    main(snakemake)
