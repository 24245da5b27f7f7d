"""Draws the cells of all single-cell libraries.

Inputs
    targets: the healing of each animal; the team's signatures.
Outputs
    the h5ad that the sheet names, truth/singlecell.tsv (shares and programmes) and truth/singlecell_cells.tsv (type of every cell).
"""

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from periomics.core.files import atomic
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.signatures import read_signatures
from periomics.simulate.culture import specimen_targets
from periomics.simulate.singlecell import CELL_COLUMNS, draw_library, draw_tissue, truth_table


def main(snakemake):
    log = start_log(snakemake)
    facts, seed = (
        sorted(snakemake.params.facts, key=lambda f: str(f["specimen_id"])),
        snakemake.params.seed,
    )
    layer, species = snakemake.params.settings["singlecell"], str(facts[0]["species"])
    tissue = draw_tissue(
        read_signatures(snakemake.input.signatures), species, int(layer.get("n_genes", 2000)), seed
    )
    healing = {str(f["specimen_id"]): {} for f in facts} | specimen_targets(
        read_result(snakemake.input.targets)
    )
    drawn = [
        draw_library(tissue, f, healing[str(f["specimen_id"])], int(layer["n_cells"]), seed)
        for f in facts
    ]
    cells = pd.concat([c for _, c in drawn], ignore_index=True)
    for path in sorted({str(f["path"]) for f in facts}):
        chosen = [i for i, f in enumerate(facts) if str(f["path"]) == path]
        obs = pd.concat(
            [
                drawn[i][1].assign(sample=str(facts[i].get("sample", facts[i]["specimen_id"])))
                for i in chosen
            ]
        )
        counts = sp.csr_matrix(np.vstack([drawn[i][0] for i in chosen]))
        names = obs["cell"].str.split(":").str[1].to_numpy()
        with atomic(Path(path)) as part:
            ad.AnnData(
                counts,
                obs=pd.DataFrame({"sample": obs["sample"].to_numpy()}, index=names),
                var=pd.DataFrame(index=tissue.genes),
            ).write_h5ad(part, compression="gzip")
    write_result(truth_table(tissue, facts, cells, healing), snakemake.output.truth)
    write_result(cells, snakemake.output.cells, CELL_COLUMNS)
    log.info("%d libraries, %d cells, %d genes", len(facts), len(cells), len(tissue.genes))


if "snakemake" in globals():
    main(snakemake)
