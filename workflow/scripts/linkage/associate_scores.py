"""Tests the declared pairs of pathway score and outcome beyond what the design makes of both, and shows which units share what.

Inputs
    outcomes/animals.tsv with outcomes and scores; the animals sheet; signatures, responses, tables of factors and
    footprints, and what each assay stains.
Outputs
    linkage/associations.tsv, linkage/sets.tsv (all scores against the outcomes of the pairs), linkage/overlap.tsv
    and a panel of scatter plots, without what the design fixes; linkage/views.tsv, all animals at once, and its picture.
"""

import pandas as pd

from periomics.core.figures import save
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.scoring import genes_behind
from periomics.linkage.figures import association_figure
from periomics.linkage.pairs import associate, overlap_table
from periomics.linkage.screen import screen
from periomics.linkage.views_figure import view_figure
from periomics.linkage.views_table import view_table
from periomics.study.arms import arm_order
from periomics.study.dictionary import load_dictionary
from periomics.study.interface.linkage import SCREEN_COLUMNS
from periomics.study.settings.bulk import BulkScores
from periomics.study.settings.linkage import Linkage
from periomics.study.sheets import read_sheet


def main(snakemake):
    log = start_log(snakemake)
    settings = Linkage.of(snakemake.params.settings, "linkage")
    dictionary = load_dictionary(snakemake.input.dictionary)
    measured = read_result(snakemake.input.outcomes)
    sheet = read_sheet("animals", snakemake.input.animals).drop_duplicates("animal_id")
    animals = sheet.set_index("animal_id")
    stained = pd.read_csv(snakemake.input.assays, sep="\t", dtype=str, keep_default_na=False)
    assay = stained.groupby("outcome")["gene_human"].agg(set).to_dict()
    scores = BulkScores.of(snakemake.params.scores, "bulk/scores")
    pairs, sets = [p.model_dump() for p in settings.pairs], genes_behind(snakemake.input, scores)
    known = {"dictionary": dictionary, "assay_genes": assay, "set_genes": sets}
    drawn = {"seed": snakemake.params.seed, "n_permutations": settings.permutations}
    asked = {q.name: q.outcomes for q in settings.questions}
    more = {"covariates": settings.covariates, "questions": asked}
    table = associate(measured, animals, pairs, **known, **drawn, **more)
    write_result(table, snakemake.output.associations)
    found = screen(measured, animals, pairs, **known, **drawn)
    write_result(found, snakemake.output.sets, SCREEN_COLUMNS)
    write_result(overlap_table(measured, dictionary), snakemake.output.overlap)
    save(association_figure(measured, animals, table, dictionary), snakemake.output.figure)
    seen = view_table(measured, animals, dictionary, settings.views)
    write_result(seen, snakemake.output.views)
    order = arm_order({"roles": snakemake.params.roles}, sorted(set(animals["group"])))
    save(view_figure(seen, animals, order, dictionary), snakemake.output.views_figure)
    log.info("%d of %d sets and outcomes below .05", (found["p_adj"] < 0.05).sum(), len(found))
    log.info("%d pairs, smallest adjusted p %s", len(table), table["p_adj"].min())


if "snakemake" in globals():
    main(snakemake)
