"""Shows where gene sets stand in every ranked test. For display: genes were permuted, not animals, so there are no p-values.

Inputs
    de/<analysis>.<contrast>.tsv and the species of each in tests.tsv; the team's signatures;
    optionally gene sets in a GMT file and orthologs.
Outputs
    sets/<analysis>.<contrast>.tsv for each.
"""

from functools import cache
from pathlib import Path

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.core.seeds import derive_seed
from periomics.genes.orthologs import between
from periomics.genes.ranking import COLUMNS, rank_sets, ranked
from periomics.genes.signatures import read_gmt, read_signatures, signed_sets, translated
from periomics.study.settings.bulk import BulkSets


def sets_of(snakemake, settings, species):
    """Sets of the team and of the configured file, in the symbols of a species."""
    team = signed_sets(read_signatures(snakemake.input.signatures), species)
    sets = [("signatures", s) for s in team if not s.name.startswith("QC_")]
    if path := snakemake.input.get("gene_sets"):
        tables = {s: snakemake.input.get(f"orthologs_{s}") or None for s in ("mouse", "rat")}
        orthologs, more = between(tables, settings.species, species), read_gmt(path)
        more = more if orthologs is None else translated(more, orthologs)
        sets += [(Path(path).name, s) for s in more]
    return sets


def main(snakemake):
    log = start_log(snakemake)
    settings = BulkSets.of(snakemake.params.settings, "bulk/sets")
    species = read_result(snakemake.input.tests).set_index("test")["species"]
    sets = cache(lambda of: sets_of(snakemake, settings, of))
    for source, target in zip(snakemake.input.de, snakemake.output.sets, strict=True):
        name = Path(target).name.removesuffix(".tsv")
        seed = derive_seed(snakemake.params.seed, "rank_sets", name)
        statistic = ranked(read_result(source))
        table = rank_sets(
            statistic,
            sets(species[name]),
            seed,
            settings.permutations,
            settings.min_size,
            settings.max_size,
        )
        write_result(table, target, COLUMNS)
        log.info("%s: %d sets in a list of %d genes", name, len(table), len(statistic))


if "snakemake" in globals():
    main(snakemake)
