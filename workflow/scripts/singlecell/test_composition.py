"""Compares the shares of cell types between arms, with animals as units.

Inputs
    pseudobulk/groups.tsv, cells.tsv; the sheets of animals, libraries and exclusions; the claims.
Outputs
    composition.tsv: rows `unit` with counts, proportions and centred log ratios, rows `contrast`
    with an estimate a type against the types that move together, or against declared ones.
    Pictures: the map by arm, and the shares of every animal.
"""

from periomics.core.figures import save
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.design import contrast_weights, select, with_design
from periomics.genes.inputs import read_claims, read_samples
from periomics.singlecell.composition import COLUMNS, composition_table
from periomics.singlecell.pictures import arms_figure, shares_figure
from periomics.study.settings.singlecell import PseudobulkTests


def main(snakemake):
    log = start_log(snakemake)
    settings = PseudobulkTests.of(snakemake.params.settings, "singlecell/tests")
    samples = read_samples(snakemake.input, "singlecell")
    samples = select(samples, settings.select, "singlecell")
    samples = with_design(samples, settings.arm, settings.blocks, "singlecell")
    claims = read_claims(snakemake.input)
    contrasts = {c: contrast_weights(claims, snakemake.params.roles, c) for c in settings.contrasts}
    groups = read_result(snakemake.input.groups)
    is_paired = "animal_id" in settings.blocks
    table = composition_table(groups, samples, contrasts, is_paired, settings)
    write_result(table, snakemake.output.composition, COLUMNS)
    cells = read_result(snakemake.input.cells)
    arms = cells["specimen_id"].map(samples.set_index("specimen_id")["arm"]).fillna("not compared")
    points = cells[["umap_1", "umap_2"]].to_numpy(float)
    save(arms_figure(points, arms, cells["label"]), snakemake.output.arms)
    save(shares_figure(table[table["row"] == "unit"]), snakemake.output.shares)
    for (contrast, status, reason), part in table[table["row"] == "contrast"].groupby(
        ["contrast", "status", "reason"]
    ):
        log.info("%s: %s for %d types %s", contrast, status, len(part), reason)


if "snakemake" in globals():
    main(snakemake)
