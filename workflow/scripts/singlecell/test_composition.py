"""Compares the shares of cell types between arms, with animals as units.

Inputs
    pseudobulk/groups.tsv; the sheets of animals, libraries and exclusions; the claims.
Outputs
    composition.tsv: rows `unit` with counts, proportions and centred log ratios, rows `contrast` with an estimate a type.
"""

from pathlib import Path

import yaml

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.design import contrast_weights, sample_table, select, with_design
from periomics.singlecell.composition import COLUMNS, composition_table
from periomics.study.settings.singlecell import PseudobulkTests
from periomics.study.sheets import read_sheet


def main(snakemake):
    log = start_log(snakemake)
    settings = PseudobulkTests.of(snakemake.params.settings, "singlecell/tests")
    sheets = {
        n: read_sheet(n, snakemake.input.get(n) or None)
        for n in ("libraries", "animals", "exclusions")
    }
    samples = sample_table(
        sheets["libraries"], sheets["animals"], sheets["exclusions"], "singlecell"
    )
    samples = select(samples, settings.select, "singlecell")
    samples = with_design(samples, settings.arm, settings.blocks, "singlecell")
    path = snakemake.input.get("claims")
    claims = yaml.safe_load(Path(path).read_text(encoding="utf-8")) if path else {}
    contrasts = {c: contrast_weights(claims, snakemake.params.roles, c) for c in settings.contrasts}
    groups = read_result(snakemake.input.groups)
    table = composition_table(
        groups, samples, contrasts, "animal_id" in settings.blocks, settings.min_per_arm
    )
    write_result(table, snakemake.output.composition, COLUMNS)
    for (contrast, status, reason), part in table[table["row"] == "contrast"].groupby(
        ["contrast", "status", "reason"]
    ):
        log.info("%s: %s for %d types %s", contrast, status, len(part), reason)


if "snakemake" in globals():
    main(snakemake)
