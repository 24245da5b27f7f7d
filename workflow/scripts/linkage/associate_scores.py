"""Tests the declared pairs of pathway score and outcome beyond what the design makes of both, and shows which units share what.

Inputs
    outcomes/animals.tsv with outcomes and scores; the animals sheet; the signatures and what each assay stains.
Outputs
    linkage/associations.tsv, linkage/overlap.tsv and a panel of scatter plots, without what the design fixes.
"""

import pandas as pd

from periomics.core.figures import save
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.linkage.figures import association_figure
from periomics.linkage.pairs import associate, overlap_table
from periomics.study.dictionary import load_dictionary
from periomics.study.settings.linkage import Linkage
from periomics.study.sheets import read_sheet


def genes_by(path, key, gene):
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    return {k: set(part[gene]) for k, part in table.groupby(key)}


def main(snakemake):
    log = start_log(snakemake)
    settings = Linkage.of(snakemake.params.settings, "linkage")
    dictionary = load_dictionary(snakemake.input.dictionary)
    measured = read_result(snakemake.input.outcomes)
    sheet = read_sheet("animals", snakemake.input.animals)
    animals = sheet.drop_duplicates("animal_id").set_index("animal_id")
    assay = genes_by(snakemake.input.assays, "outcome", "gene_human")
    sets = genes_by(snakemake.input.signatures, "set", "gene_human")
    pairs, n = [p.model_dump() for p in settings.pairs], settings.permutations
    table = associate(
        measured,
        animals,
        pairs,
        dictionary=dictionary,
        assay_genes=assay,
        set_genes=sets,
        seed=snakemake.params.seed,
        n_permutations=n,
    )
    write_result(table, snakemake.output.associations)
    write_result(overlap_table(measured, dictionary), snakemake.output.overlap)
    save(association_figure(measured, animals, table, dictionary), snakemake.output.figure)
    log.info("%d pairs, smallest adjusted p %s", len(table), table["p_adj"].min())


if "snakemake" in globals():
    main(snakemake)
