"""Bring every measurement and score to the animal.

Inputs: outcomes/measurements.tsv, score tables, the sheets and the outcome dictionary.
Outputs: outcomes/animals.tsv, one row per animal, outcome, variant, condition, dose and time; variance.tsv, how
much of each varies between animals, sections and fields; sampling.tsv, what more sections and fields would do to an
animal's mean; animals_all.tsv, the animals with nothing excluded or held back (no rows where nothing was).
"""

from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.outcomes.aggregate import COLUMNS
from periomics.outcomes.beside import animal_tables
from periomics.outcomes.collect import join_design, read_measurements, release, specimen_table
from periomics.outcomes.normalise import normalise_cultures
from periomics.outcomes.scores import all_scores
from periomics.outcomes.variance import COLUMNS as VARIANCE_COLUMNS
from periomics.outcomes.variance import SAMPLING_COLUMNS, variance_tables
from periomics.study.dictionary import load_dictionary
from periomics.study.settings.outcomes import OutcomeRules
from periomics.study.sheets import CONDITION_SHEETS, confirmations, read_sheet


def main(snakemake):
    log = start_log(snakemake)
    names = (*CONDITION_SHEETS, "animals", "exclusions")
    sheets = {name: read_sheet(name, snakemake.input.get(name) or None) for name in names}
    dictionary = load_dictionary(snakemake.input.dictionary)
    specimens = specimen_table(sheets)
    joined = join_design(
        read_measurements(snakemake.input.measurements), sheets["animals"], specimens
    )
    released = release(joined, confirmations(sheets))
    released, notes = normalise_cultures(released, dictionary, sheets["exclusions"])
    for note in notes:
        log.info("%s", note)
    rules = OutcomeRules.of(snakemake.params.settings, "outcomes")
    scores = all_scores(snakemake.input, specimens, sheets["animals"])
    table, everyone = animal_tables(
        released, sheets, specimens, scores, dictionary=dictionary, rules=rules
    )
    log.info("%s", table["status"].value_counts().to_dict())
    write_result(table, snakemake.output.animals, COLUMNS)
    write_result(everyone, snakemake.output.everyone, COLUMNS)
    variance, sampling = variance_tables(released, dictionary, sheets["exclusions"])
    write_result(variance, snakemake.output.variance, VARIANCE_COLUMNS)
    write_result(sampling, snakemake.output.sampling, SAMPLING_COLUMNS)


if "snakemake" in globals():
    main(snakemake)
