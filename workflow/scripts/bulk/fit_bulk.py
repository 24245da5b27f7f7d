"""Tests every declared contrast of the bulk libraries: one negative binomial model an analysis.

Inputs
    counts.tsv, genes.tsv, qc.tsv; the sheets of animals, libraries and exclusions; the claims.
Outputs
    de/<analysis>.<contrast>.tsv for each, tests.tsv (what was tested on how many units, and why not where not), a picture.
"""

from pathlib import Path

import pandas as pd
import yaml

from periomics.bulk.tests import TEST_COLUMNS, run_analysis, tests_figure
from periomics.core.figures import save
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.design import sample_table
from periomics.genes.model import COLUMNS
from periomics.study.settings.bulk import Analysis, BulkTests
from periomics.study.sheets import read_sheet


def main(snakemake):
    log = start_log(snakemake)
    settings = BulkTests.of(snakemake.params.settings, "bulk/tests")
    counts = read_result(snakemake.input.counts).set_index("gene_id")
    symbols = read_result(snakemake.input.genes).set_index("gene_id")["symbol"]
    passed = set(read_result(snakemake.input.qc).query("qc == 'pass'")["specimen_id"])
    sheets = {
        n: read_sheet(n, snakemake.input.get(n) or None)
        for n in ("libraries", "animals", "exclusions")
    }
    samples = sample_table(sheets["libraries"], sheets["animals"], sheets["exclusions"], "bulk")
    samples = samples[samples["specimen_id"].isin(passed)]
    claims = yaml.safe_load(Path(snakemake.input.claims).read_text(encoding="utf-8"))
    tables, overviews = {}, []
    for i, entry in enumerate(snakemake.params.analyses):
        analysis = Analysis.of(entry, f"bulk/analyses/{i}")
        found, overview = run_analysis(
            analysis,
            counts,
            symbols,
            samples=samples,
            claims=claims,
            roles=snakemake.params.roles,
            settings=settings,
        )
        tables |= found
        overviews.append(overview)
    overview = pd.concat(overviews, ignore_index=True)
    for row in overview.itertuples():
        log.info(
            "%s: %s %s",
            row.test,
            row.status,
            row.reason or f"{row.n_significant} of {row.n_genes} genes significant",
        )
    for path in snakemake.output.de:
        write_result(tables[Path(path).name.removesuffix(".tsv")], path, COLUMNS)
    write_result(overview, snakemake.output.tests, TEST_COLUMNS)
    save(tests_figure(tables, overview, settings.alpha), snakemake.output.figure)


if "snakemake" in globals():
    main(snakemake)
