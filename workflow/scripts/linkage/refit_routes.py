"""Asks how far routes hold: p-values with arms dealt anew within blocks, refits without one unit, and rewired networks.

Inputs
    bulk counts, lengths, genes and quality; the sheets and claims; the team's signed table, signatures and responses;
    optionally a table and regulons in its place, with orthologs, and the axes of the study.
Outputs
    network/<name>/routes.tsv, a row per receptor, and refits.tsv, the share of refits without one unit that hold an edge.
"""

from periomics.bulk.designs import designed, read_libraries
from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.core.seeds import generator
from periomics.linkage.asked import asked_of
from periomics.linkage.ranks import receptor_ranks, with_ranks
from periomics.linkage.refits import Refitting, left_out
from periomics.study.interface.linkage import REFIT_COLUMNS, ROUTE_COLUMNS
from periomics.study.settings.bulk import Analysis, BulkTests
from periomics.study.settings.linkage import SignallingNetwork


def main(snakemake):
    log, files, given = start_log(snakemake), snakemake.input, snakemake.params
    name = snakemake.wildcards.network
    settings = SignallingNetwork.of(given.settings, f"linkage/networks/{name}")
    tests = BulkTests.of(given.tests, "bulk/tests")
    wanted, contrast = settings.test.split(".", 1)
    entry = next(a for a in given.analyses if a["name"] == wanted)
    known, analysis = read_libraries(files), Analysis.of(entry, f"bulk/analyses/{wanted}")
    of = designed(analysis, known, given.roles, tests.min_per_arm)
    species = str(of.libraries["species"].iloc[0])
    asked = asked_of(files, settings, species)
    edges, inputs, settings = asked.edges, asked.inputs, asked.settings
    refitting = Refitting(of, contrast, edges, settings, tests)
    genes = refitting.changed(of.units)
    table = refitting.judged(inputs, generator(snakemake.params.seed, "refit_routes", name))
    ranks = receptor_ranks(edges, inputs, genes, settings, asked.receptors)
    write_result(with_ranks(table, ranks), snakemake.output.routes, ROUTE_COLUMNS)
    refits = left_out(refitting.without_each(inputs))
    write_result(refits, snakemake.output.refits, REFIT_COLUMNS)
    log.info("%s", table[["receptor", "gain", "p_adj"]].to_dict("records"))


if "snakemake" in globals():
    main(snakemake)
