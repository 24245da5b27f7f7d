"""Sums the counts of each library by cell type and scores sets, factors and pathways within types.

Inputs
    atlas.h5ad; the team's signatures, responses and signed edges; optionally footprint weights, regulons in place of the
    team's, and orthologs. No arms.
Outputs
    pseudobulk/counts.tsv, pseudobulk/groups.tsv, pseudobulk/genes.tsv, pseudobulk/moments.tsv
    (sums of log counts and of their squares, for the warning of what cells as units would give),
    scores.tsv.
"""

import anndata as ad
import pandas as pd

from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.genes.scoring import Models
from periomics.singlecell.atlas import label_ids
from periomics.singlecell.pseudobulk import COLUMNS, log_moments, pseudobulk, score_types
from periomics.study.settings.bulk import BulkScores


def main(snakemake):
    log = start_log(snakemake)
    atlas = ad.read_h5ad(snakemake.input.atlas)
    atlas.obs["label"] = label_ids(atlas.obs["label"])
    counts, groups = pseudobulk(atlas)
    genes = pd.DataFrame(
        {"gene_id": atlas.var_names, "symbol": atlas.var["symbol"].astype(str).to_numpy()}
    )
    species = str(atlas.uns["species"])
    settings = BulkScores.of(snakemake.params.settings, "bulk/scores")
    models = Models.read(snakemake.input, settings, species, checks=False)
    symbols = dict(zip(genes["gene_id"], genes["symbol"], strict=True))
    scores = score_types(counts, groups, symbols, models, int(snakemake.params.min_cells))
    write_result(counts.reset_index(), snakemake.output.counts)
    write_result(groups, snakemake.output.groups)
    write_result(log_moments(atlas), snakemake.output.moments)
    write_result(genes, snakemake.output.genes)
    write_result(scores, snakemake.output.scores, COLUMNS)
    log.info(
        "%d libraries x %d types, %d scores",
        groups["specimen_id"].nunique(),
        groups["cell_type"].nunique(),
        len(scores),
    )


if "snakemake" in globals():
    main(snakemake)
