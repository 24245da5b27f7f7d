"""Tests which gene sets respond in every declared contrast, with animals or isolations as units.

Inputs
    counts.tsv, lengths.tsv, genes.tsv, qc.tsv; the sheets of animals, libraries and exclusions; the claims; tests.tsv for the species;
    the team's signatures and responses; optionally gene sets in a GMT file and orthologs.
Outputs
    set_tests.tsv: all tests of every set in every contrast that is tested gene by gene.
"""

import pandas as pd

from periomics.bulk.designs import designed, read_libraries
from periomics.bulk.set_tests import analysis_sets
from periomics.core.logs import start_log
from periomics.core.multiplicity import Q
from periomics.core.results import read_result, write_result
from periomics.genes.inputs import read_sets
from periomics.study.interface.genes import ROTATION, SET_TEST_COLUMNS
from periomics.study.settings.bulk import Analysis, BulkSets, BulkTests


def main(snakemake):
    log, files = start_log(snakemake), snakemake.input
    settings = BulkSets.of(snakemake.params.settings, "bulk/sets")
    tests = BulkTests.of(snakemake.params.tests, "bulk/tests")
    libraries, roles = read_libraries(files), snakemake.params.roles
    species = read_result(files.tests).groupby("analysis")["species"].first()
    tables = []
    for i, entry in enumerate(snakemake.params.analyses):
        analysis = Analysis.of(entry, f"bulk/analyses/{i}")
        of = designed(analysis, libraries, roles, tests.min_per_arm)
        sets = read_sets(files, settings.species, species[analysis.name])
        found = analysis_sets(of, tests, settings, sets)
        own = found[(found["method"] == ROTATION) & (found["p_adj"] <= Q)]
        log.info(
            "%s: rotation calls %d sets in some contrast", analysis.name, own["set_id"].nunique()
        )
        tables.append(found)
    write_result(pd.concat(tables, ignore_index=True), snakemake.output.sets, SET_TEST_COLUMNS)


if "snakemake" in globals():
    main(snakemake)
