"""Sums the counts of each library by cell type and scores signatures within types.

Inputs
    atlas.h5ad; the team's signatures. No arms.
Outputs
    pseudobulk/counts.tsv, pseudobulk/groups.tsv, pseudobulk/genes.tsv, scores.tsv.
"""

import anndata as ad
import pandas as pd

from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.genes.signatures import read_signatures, signed_sets
from periomics.singlecell.atlas import label_id
from periomics.singlecell.pseudobulk import COLUMNS, pseudobulk, score_types


def main(snakemake):
    log = start_log(snakemake)
    atlas = ad.read_h5ad(snakemake.input.atlas)
    atlas.obs["label"] = atlas.obs["label"].astype(str).map(label_id)
    counts, groups = pseudobulk(atlas)
    genes = pd.DataFrame(
        {"gene_id": atlas.var_names, "symbol": atlas.var["symbol"].astype(str).to_numpy()}
    )
    species = str(snakemake.params.facts[0]["species"])
    sets = [
        s
        for s in signed_sets(read_signatures(snakemake.input.signatures), species)
        if not s.name.startswith("QC_")
    ]
    symbols = dict(zip(genes["gene_id"], genes["symbol"], strict=True))
    scores = score_types(counts, groups, symbols, sets, int(snakemake.params.min_cells or 20))
    write_result(counts.reset_index(), snakemake.output.counts)
    write_result(groups, snakemake.output.groups)
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
