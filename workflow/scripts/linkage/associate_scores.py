"""Tests the declared pairs of pathway score and outcome beyond what the design makes of both, and shows which units share what.

Inputs
    outcomes/animals.tsv; animals sheet; signatures, responses, factors, footprints, assays' genes.
Outputs
    linkage/associations.tsv, linkage/sets.tsv (all scores against the outcomes of the pairs),
    overlap.tsv and scatter plots without what the design fixes; linkage/views.tsv, all animals at
    once, with models of outcomes, and its picture.
"""

import pandas as pd

from periomics.core.figures import save
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.scoring import genes_behind
from periomics.linkage.figures import association_figure
from periomics.linkage.models_table import Asked
from periomics.linkage.pairs import assay_genes, associate, overlap_table
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
    log, files, out = start_log(snakemake), snakemake.input, snakemake.output
    settings, seed = Linkage.of(snakemake.params.settings, "linkage"), snakemake.params.seed
    dictionary, measured = load_dictionary(files.dictionary), read_result(files.outcomes)
    sheet = read_sheet("animals", files.animals)
    animals = sheet.drop_duplicates("animal_id").set_index("animal_id")
    assay = assay_genes(pd.read_csv(files.assays, sep="\t", dtype=str, keep_default_na=False))
    sets = genes_behind(files, BulkScores.of(snakemake.params.scores, "bulk/scores"))
    pairs, known = [p.model_dump() for p in settings.pairs], {"dictionary": dictionary}
    known |= {"assay_genes": assay, "set_genes": sets}
    drawn = {"seed": seed, "n_permutations": settings.permutations}
    asked = {q.name: q.outcomes for q in settings.questions}
    more = drawn | {"covariates": settings.covariates, "questions": asked}
    table = associate(measured, animals, pairs, **known, **more)
    write_result(table, out.associations)
    found = screen(measured, animals, pairs, **known, **drawn)
    write_result(found, out.sets, SCREEN_COLUMNS)
    write_result(overlap_table(measured, dictionary), out.overlap)
    save(association_figure(measured, animals, table, dictionary), out.figure)
    models = Asked([o for own in asked.values() for o in own], assay, sets, seed)
    seen = view_table(measured, animals, dictionary, settings.views, models)
    write_result(seen, out.views)
    order = arm_order({"roles": snakemake.params.roles}, sorted(set(animals["group"])))
    save(view_figure(seen, animals, order, dictionary), out.views_figure)
    below = (found["p_adj"] < 0.05).sum(), len(found)
    log.info("%d pairs; %d of %d sets and outcomes below .05", len(table), *below)


if "snakemake" in globals():
    main(snakemake)
