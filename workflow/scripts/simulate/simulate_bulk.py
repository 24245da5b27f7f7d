"""Draws the counts of all bulk libraries with signatures planted in them.

Inputs
    targets: the healing of each animal, medium and cue of each isolation, responses of both to every axis; the team's signatures, responses
    and signalling table.
Outputs
    the matrix that the sheet names, truth/bulk.tsv (planted activity of every set in every library), truth/bulk_genes.tsv and
    truth/routes.tsv (the edges by which each axis moves its genes).
"""

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.axes import SetTables
from periomics.simulate.bulk import draw_counts, draw_genome, truth_table
from periomics.simulate.bulk_programme import COLUMNS
from periomics.simulate.culture import specimen_targets
from periomics.simulate.layers import TRUTH_COLUMNS
from periomics.simulate.routes import COLUMNS as EDGE_COLUMNS


def main(snakemake):
    log = start_log(snakemake)
    facts = sorted(snakemake.params.facts, key=lambda f: str(f["specimen_id"]))
    tables, seed = (
        SetTables.read(snakemake.input.signatures, snakemake.input.responses),
        snakemake.params.seed,
    )
    species = sorted({str(f["species"]) for f in facts})
    if len(species) != 1:
        raise ValueError(f"one species is simulated, the sheet names {species}")
    n_genes, signalling = snakemake.params.settings["bulk"]["n_genes"], snakemake.input.signalling
    genome = draw_genome(tables, read_result(signalling), species[0], int(n_genes), seed)
    counts, shifts = draw_counts(
        genome, facts, specimen_targets(read_result(snakemake.input.targets)), seed
    )
    for path in sorted({str(f["path"]) for f in facts}):
        samples = [str(f.get("sample", f["specimen_id"])) for f in facts if str(f["path"]) == path]
        write_result(counts[samples].reset_index(), path)
    truth = truth_table(tables, species[0], genome, facts, shifts)
    write_result(truth, snakemake.output.truth, TRUTH_COLUMNS)
    write_result(genome.planted, snakemake.output.genes, COLUMNS)
    write_result(genome.edges, snakemake.output.routes, EDGE_COLUMNS)
    moved = genome.planted["gene_id"].nunique()
    log.info("%d libraries, %d genes, %d of them move", len(facts), len(genome.genes), moved)


if "snakemake" in globals():
    main(snakemake)
