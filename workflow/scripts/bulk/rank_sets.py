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
from periomics.genes.inputs import read_sets
from periomics.genes.ranking import COLUMNS, rank_sets, ranked
from periomics.study.settings.bulk import BulkSets


def main(snakemake):
    log = start_log(snakemake)
    settings = BulkSets.of(snakemake.params.settings, "bulk/sets")
    species = read_result(snakemake.input.tests).set_index("test")["species"]
    sets = cache(lambda of: read_sets(snakemake.input, settings.species, of))
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
