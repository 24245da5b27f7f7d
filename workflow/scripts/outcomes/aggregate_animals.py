"""Bring every measurement and score to the animal.

Inputs: outcomes/measurements.tsv, score tables, the sheets and the outcome dictionary. Outputs: outcomes/animals.tsv, one row an
animal, outcome, variant, condition, dose and time; outcomes/variance.tsv, how much of each outcome varies between animals,
sections and fields; outcomes/sampling.tsv, what more sections and fields would do to an animal's mean.
"""

import pandas as pd

from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.outcomes.aggregate import COLUMNS, add_missing, aggregate
from periomics.outcomes.collect import join_design, read_measurements, specimen_table
from periomics.outcomes.normalise import normalise_cultures
from periomics.outcomes.scores import read_scores, score_outcomes
from periomics.outcomes.variance import COLUMNS as VARIANCE_COLUMNS
from periomics.outcomes.variance import SAMPLING_COLUMNS, variance_tables
from periomics.study.dictionary import load_dictionary
from periomics.study.settings.outcomes import OutcomeRules
from periomics.study.sheets import SPECIMEN_SHEETS, read_sheet


def main(snakemake):
    log = start_log(snakemake)
    names = (*SPECIMEN_SHEETS, "animals", "exclusions")
    sheets = {name: read_sheet(name, snakemake.input.get(name) or None) for name in names}
    dictionary = load_dictionary(snakemake.input.dictionary)
    specimens = specimen_table(sheets)
    joined = join_design(
        read_measurements(snakemake.input.measurements), sheets["animals"], specimens
    )
    joined, notes = normalise_cultures(joined, dictionary)
    for note in notes:
        log.info("%s", note)
    rules = OutcomeRules.of(snakemake.params.settings, "outcomes")
    table = aggregate(joined, dictionary, sheets["exclusions"], rules)
    table = add_missing(table, specimens, sheets["animals"])
    for modality in ("bulk", "singlecell"):
        path = snakemake.input.get(modality)
        if path:
            scores = score_outcomes(read_scores(str(path)), specimens, sheets["animals"], modality)
            table = pd.concat([table, scores.astype(table.dtypes.to_dict())], ignore_index=True)
    log.info("%s", table["status"].value_counts().to_dict())
    write_result(table, snakemake.output.animals, COLUMNS)
    variance, sampling = variance_tables(joined, dictionary, sheets["exclusions"])
    write_result(variance, snakemake.output.variance, VARIANCE_COLUMNS)
    write_result(sampling, snakemake.output.sampling, SAMPLING_COLUMNS)


if "snakemake" in globals():
    main(snakemake)
