"""Draws the cells of all single-cell libraries.

Inputs
    targets: the healing of each animal and its response to every axis; the team's signatures, responses and
    signalling table.
Outputs
    the h5ad that the sheet names, truth/singlecell.tsv (shares and programmes) and truth/singlecell_cells.tsv (type of every cell).
"""

import pandas as pd

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.axes import SetTables
from periomics.simulate.culture import specimen_targets
from periomics.simulate.singlecell import CELL_COLUMNS, draw_library, draw_tissue, truth_table
from periomics.simulate.singlecell_files import write_files


def main(snakemake):
    log = start_log(snakemake)
    facts = sorted(snakemake.params.facts, key=lambda f: str(f["specimen_id"]))
    layer, seed = snakemake.params.settings["singlecell"], snakemake.params.seed
    n_genes = layer.get("n_genes", 2000)
    tables = SetTables.read(snakemake.input.signatures, snakemake.input.responses)
    signalling, species = read_result(snakemake.input.signalling), str(facts[0]["species"])
    tissue = draw_tissue(tables, signalling, species, int(n_genes), seed)
    targets = specimen_targets(read_result(snakemake.input.targets))
    healing = {str(f["specimen_id"]): {} for f in facts} | targets
    drawn = [
        draw_library(tissue, f, healing[str(f["specimen_id"])], int(layer["n_cells"]), seed)
        for f in facts
    ]
    write_files(facts, drawn, tissue.genes)
    cells = pd.concat([c for _, c in drawn], ignore_index=True)
    write_result(truth_table(tissue, facts, cells, healing), snakemake.output.truth)
    write_result(cells, snakemake.output.cells, CELL_COLUMNS)
    log.info("%d libraries, %d cells, %d genes", len(facts), len(cells), len(tissue.genes))


if "snakemake" in globals():
    main(snakemake)
