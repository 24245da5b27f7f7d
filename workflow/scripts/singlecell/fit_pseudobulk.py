"""Tests every declared contrast in every cell type on pseudobulk counts, with animals as units.

Inputs
    pseudobulk tables; the sheets of animals, libraries and exclusions; the claims.
Outputs
    de/<contrast>@<type>.tsv for each, and tests.tsv: what was tested on how many units, and why not where not.
"""

import pandas as pd

from periomics.core.files import atomic
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.design import contrast_weights, select
from periomics.genes.inputs import read_claims, read_samples
from periomics.singlecell.tests import TEST_COLUMNS, compare_type
from periomics.study.interface.genes import GENE_COLUMNS
from periomics.study.settings.singlecell import PseudobulkTests


def main(snakemake):
    log = start_log(snakemake)
    settings = PseudobulkTests.of(snakemake.params.settings, "singlecell/tests")
    counts = read_result(snakemake.input.counts).set_index("gene_id")
    symbols = read_result(snakemake.input.genes).set_index("gene_id")["symbol"]
    moments = read_result(snakemake.input.moments).set_index("gene_id")
    samples = read_samples(snakemake.input, "singlecell")
    samples = select(samples, settings.select, "singlecell")
    claims = read_claims(snakemake.input)
    contrasts = {c: contrast_weights(claims, snakemake.params.roles, c) for c in settings.contrasts}
    overviews = [pd.DataFrame(columns=list(TEST_COLUMNS))]
    with atomic(snakemake.output.de) as folder:
        folder.mkdir()
        groups = (
            read_result(snakemake.input.groups) if contrasts else pd.DataFrame({"cell_type": []})
        )
        for cell_type, part in groups.groupby("cell_type", sort=True):
            tables, overview = compare_type(
                counts, part, samples, symbols, contrasts, settings, moments=moments
            )
            for contrast, table in tables.items():
                write_result(table, folder / f"{contrast}@{cell_type}.tsv", GENE_COLUMNS)
            overviews.append(overview)
    table = pd.concat([o for o in overviews if len(o)] or overviews, ignore_index=True)
    write_result(table, snakemake.output.tests, TEST_COLUMNS)
    for row in table.itertuples():
        log.info(
            "%s: %s, %s genes, %s significant %s",
            row.test,
            row.status,
            row.n_genes,
            row.n_significant,
            row.reason,
        )


if "snakemake" in globals():
    main(snakemake)
