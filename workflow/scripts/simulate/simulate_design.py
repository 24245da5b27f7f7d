"""Draws the simulated animals and the target of every specimen.

The sheets of the study are committed and are not drawn here; a test holds that they are what the settings and the seed give.

Inputs
    none but the config's `simulate` and `seed`.
Outputs
    truth/targets.tsv: specimen_id, animal_id, target, value. truth/animals.tsv: the animals with their healing per domain and their
    response to every axis. truth/links.tsv: which axis drives which outcome, and how strongly.
"""

from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.simulate.design import draw_animals, draw_targets, planted_links
from periomics.simulate.links import COLUMNS
from periomics.simulate.sheets import draw_sheets


def main(snakemake):
    log = start_log(snakemake)
    settings, seed = snakemake.params.settings, snakemake.params.seed
    targets = draw_targets(settings, seed, draw_sheets(settings, seed))
    write_result(targets, snakemake.output.targets)
    animals = draw_animals(settings, seed)
    write_result(animals, snakemake.output.animals, ["animal_id", "group", "block"])
    write_result(planted_links(settings, seed), snakemake.output.links, COLUMNS)
    log.info(
        "scenario %s: %d animals, %d targets", settings["scenario"], len(animals), len(targets)
    )


if "snakemake" in globals():
    main(snakemake)
