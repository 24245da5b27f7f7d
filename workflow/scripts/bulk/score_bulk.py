"""Scores every bulk library: signed signatures and responses, transcription factors and, where a table is configured, pathways.

Inputs
    counts.tsv, genes.tsv and qc.tsv; the team's signatures, responses and signed edges; optionally footprint weights, regulons in
    place of the team's, and orthologs. No arms.
Outputs
    scores.tsv: a value a library and score; without a value where too few genes were found, with the reason.
"""

from functools import partial

from periomics.bulk.scoring import COLUMNS, score_libraries
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.scoring import Models
from periomics.study.settings.bulk import BulkScores


def main(snakemake):
    log = start_log(snakemake)
    settings = BulkScores.of(snakemake.params.settings, "bulk/scores")
    counts = read_result(snakemake.input.counts).set_index("gene_id")
    symbols = (
        read_result(snakemake.input.genes).set_index("gene_id")["symbol"].reindex(counts.index)
    )
    passed = read_result(snakemake.input.qc).query("qc == 'pass'")["specimen_id"]
    facts = [f for f in snakemake.params.facts if f["specimen_id"] in set(passed)]
    models = partial(Models.read, snakemake.input, settings)
    table, notes = score_libraries(counts, symbols, facts, models)
    for note in notes:
        log.warning("%s", note)
    write_result(table, snakemake.output.scores, COLUMNS)
    log.info(
        "%d scores of %d libraries", table["score_id"].nunique(), table["library_id"].nunique()
    )


if "snakemake" in globals():
    main(snakemake)
