"""Tests every declared contrast of the bulk libraries: one negative binomial model an analysis.

Inputs
    counts.tsv, lengths.tsv, genes.tsv, qc.tsv; the sheets of animals, libraries and exclusions; the claims.
Outputs
    de/<analysis>.<contrast>.tsv for each, tests.tsv (what was tested on how many units, and why not where not), dispersion.tsv
    (how much every gene varies between units of one arm), a picture.
"""

from pathlib import Path

import pandas as pd

from periomics.bulk.designs import designed, read_libraries
from periomics.bulk.tests import TEST_COLUMNS, run_analysis, tests_figure
from periomics.core.figures import save
from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.study.interface.genes import DISPERSION_COLUMNS, GENE_COLUMNS
from periomics.study.settings.bulk import Analysis, BulkTests


def main(snakemake):
    log = start_log(snakemake)
    settings = BulkTests.of(snakemake.params.settings, "bulk/tests")
    libraries, roles = read_libraries(snakemake.input), snakemake.params.roles
    tables, overviews, spreads = {}, [], []
    for i, entry in enumerate(snakemake.params.analyses):
        analysis = Analysis.of(entry, f"bulk/analyses/{i}")
        of = designed(analysis, libraries, roles, settings.min_per_arm)
        found, overview, spread = run_analysis(of, settings)
        tables |= found
        spreads.append(spread)
        overviews.append(overview)
    overview = pd.concat(overviews, ignore_index=True)
    for row in overview.itertuples():
        log.info(
            "%s: %s %s",
            row.test,
            row.status,
            row.reason
            or f"{row.n_significant} of {row.n_genes} genes significant, "
            f"{row.n_significant_normal} by the normal reference",
        )
    for path in snakemake.output.de:
        write_result(tables[Path(path).name.removesuffix(".tsv")], path, GENE_COLUMNS)
    write_result(overview, snakemake.output.tests, TEST_COLUMNS)
    spread = pd.concat([s for s in spreads if len(s)] or spreads[:1], ignore_index=True)
    write_result(spread, snakemake.output.dispersion, DISPERSION_COLUMNS)
    save(tests_figure(tables, overview, settings.alpha), snakemake.output.figure)


if "snakemake" in globals():
    main(snakemake)
