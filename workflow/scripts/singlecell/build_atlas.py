"""Reads the cells of all libraries, keeps the good ones, clusters and names them.

Inputs
    h5ad or 10x files of the libraries sheet; a table of markers (the team's or `resources:
    cell_types`) and labelled cells (`resources: cell_reference`). No arms.
Outputs
    atlas.h5ad (raw counts in layers["counts"]), cells.tsv, qc.tsv, clusters.tsv, markers.tsv
    (cluster × type), atlas.tsv (stability and mixing of libraries), and three pictures.
"""

from periomics.core.figures import save
from periomics.core.files import atomic
from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.singlecell.atlas import CELL_COLUMNS, atlas_facts, cell_table, embed, label
from periomics.singlecell.learned import learn
from periomics.singlecell.markers import read_markers, share_seen
from periomics.singlecell.pictures import dot_figure, map_figure, quality_figure
from periomics.singlecell.quality import add_ambient, fluids, good_cells, judge_cells
from periomics.singlecell.readers import libraries_of, read_cells
from periomics.study.settings.singlecell import Atlas


def main(snakemake):
    log, out = start_log(snakemake), snakemake.output
    settings, seed = Atlas.of(snakemake.params.settings, "singlecell/atlas"), snakemake.params.seed
    facts = libraries_of(snakemake.params.facts, settings)
    species = str(facts[0].get("species", ""))
    known = snakemake.input.get("own") or snakemake.input.markers
    markers, seen = read_markers(known, species), share_seen(known)
    cells = read_cells(facts, settings)
    quality = judge_cells(cells, settings, seed)
    save(quality_figure(cells, quality), out.quality)
    empty = fluids(cells)
    cells = good_cells(cells)
    found = embed(cells, settings, seed)
    given, symbols = snakemake.input.get("reference"), list(cells.var["symbol"].astype(str))
    learned = learn(given, markers, settings, species, symbols) if given else None
    clusters, scores, found_on = label(cells, found, markers, settings, learned)
    markers = learned.markers if learned else markers
    quality = add_ambient(quality, cells, markers, empty)
    for row in quality.itertuples():
        log.info("%s: %d of %d cells kept %s", row.specimen_id, row.kept, row.cells, row.note)
    write_result(quality, out.qc)
    write_result(clusters, out.clusters)
    write_result(scores.rename_axis("cluster").reset_index(), out.markers)
    write_result(atlas_facts(cells, found, seen), out.facts)
    table = cell_table(cells)
    write_result(table, out.cells, CELL_COLUMNS)
    save(map_figure(cells), out.map)
    save(dot_figure(cells, markers, found_on), out.dots)
    cells.uns["species"] = species
    with atomic(out.atlas) as part:
        cells.write_h5ad(part, compression="gzip", compression_opts=1)
    log.info("%d cells, labels %s", len(table), table["label"].value_counts().to_dict())
    log.info("share of the table's markers whose source was read: %.2f", seen)


if "snakemake" in globals():
    main(snakemake)
