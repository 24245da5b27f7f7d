"""Reads the cells of all libraries, keeps the good ones, clusters and names them.

Inputs
    h5ad or 10x files of the libraries sheet; the team's marker table. No arms.
Outputs
    atlas.h5ad (raw counts in layers["counts"]), cells.tsv, qc.tsv, markers.tsv (cluster × type), and two pictures.
"""

from periomics.core.errors import InputError
from periomics.core.figures import save
from periomics.core.files import atomic
from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.singlecell.atlas import embed, label, map_figure
from periomics.singlecell.labels import read_markers
from periomics.singlecell.quality import (
    add_metrics,
    find_doublets,
    flag_cells,
    quality_figure,
    quality_table,
)
from periomics.singlecell.readers import read_cells
from periomics.study.settings.singlecell import Atlas


def main(snakemake):
    log = start_log(snakemake)
    facts = sorted(snakemake.params.facts, key=lambda f: str(f["specimen_id"]))
    settings, seed = Atlas.of(snakemake.params.settings, "singlecell/atlas"), snakemake.params.seed
    species = sorted({str(f["species"]) for f in facts})
    if len(species) > 1:
        raise InputError(
            "one atlas holds one species",
            file="libraries",
            column="species",
            value=", ".join(species),
        )
    cells = read_cells(facts, settings.sample_column, settings.label_column)
    add_metrics(cells)
    flag_cells(cells, settings)
    notes = find_doublets(cells, settings, seed)
    quality = quality_table(cells, notes)
    for row in quality.itertuples():
        log.info("%s: %d of %d cells kept %s", row.specimen_id, row.kept, row.cells, row.note)
    write_result(quality, snakemake.output.qc)
    save(quality_figure(cells, settings), snakemake.output.quality)
    kept = cells[(cells.obs["drop"] == "").to_numpy()].copy()
    if not kept.n_obs:
        raise InputError(
            "no cell passes quality control: see qc.tsv and the thresholds in singlecell/atlas",
            file="libraries",
        )
    atlas = embed(kept, settings, seed)
    scores = label(atlas, read_markers(snakemake.input.markers, species[0]), settings)
    write_result(scores.rename_axis("cluster").reset_index(), snakemake.output.markers)
    table = atlas.obs[["specimen_id", "animal_id", "cluster", "label"]].astype(str)
    write_result(table.rename_axis("cell").reset_index(), snakemake.output.cells)
    save(map_figure(atlas), snakemake.output.map)
    with atomic(snakemake.output.atlas) as part:
        atlas.write_h5ad(part, compression="gzip")
    log.info(
        "%d cells, %d clusters, labels %s",
        atlas.n_obs,
        table["cluster"].nunique(),
        table["label"].value_counts().to_dict(),
    )


if "snakemake" in globals():
    main(snakemake)
