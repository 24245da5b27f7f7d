"""Draws the counts of all bulk libraries with signatures planted in them.

Inputs
    targets: the healing of each animal, and medium and cue of each isolation; the team's signatures.
Outputs
    the matrix that the sheet names, truth/bulk.tsv (planted activity of every set in every library) and truth/bulk_genes.tsv.
"""

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.genes.signatures import read_signatures
from periomics.simulate.bulk import TRUTH, draw_counts, draw_genome, truth_table
from periomics.simulate.bulk_programme import COLUMNS
from periomics.simulate.culture import specimen_targets


def main(snakemake):
    log = start_log(snakemake)
    facts = sorted(snakemake.params.facts, key=lambda f: str(f["specimen_id"]))
    signatures, seed = read_signatures(snakemake.input.signatures), snakemake.params.seed
    species = sorted({str(f["species"]) for f in facts})
    if len(species) != 1:
        raise ValueError(f"one species is simulated, the sheet names {species}")
    genome = draw_genome(
        signatures, species[0], int(snakemake.params.settings["bulk"]["n_genes"]), seed
    )
    counts, shifts = draw_counts(
        genome, facts, specimen_targets(read_result(snakemake.input.targets)), seed
    )
    for path in sorted({str(f["path"]) for f in facts}):
        samples = [str(f.get("sample", f["specimen_id"])) for f in facts if str(f["path"]) == path]
        write_result(counts[samples].reset_index(), path)
    write_result(
        truth_table(signatures, species[0], genome, facts, shifts), snakemake.output.truth, TRUTH
    )
    write_result(genome.planted, snakemake.output.genes, COLUMNS)
    moved = genome.planted["gene_id"].nunique()
    log.info("%d libraries, %d genes, %d of them move", len(facts), len(genome.genes), moved)


if "snakemake" in globals():
    main(snakemake)
