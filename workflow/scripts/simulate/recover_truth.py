"""Compares every measurement of a simulated study with what was simulated.

Inputs
    all measurements and aggregated outcomes, the truth of every layer, the outcome dictionary with its tolerances.
Outputs
    recovery.tsv: measured, truth, error, tolerance, pass; and a figure.
"""

import pandas as pd

from periomics.simulate.recovery import (
    COLUMNS,
    PERCENT_OF_VEHICLE,
    join_truth,
    recovery_figure,
    recovery_table,
    summary,
    vehicle_truth,
)
from periomics.study.dictionary import load_dictionary
from periomics.study.figures import save
from periomics.study.logs import start_log
from periomics.study.results import read_result, write_result
from periomics.study.sheets import read_sheet


def main(snakemake):
    log = start_log(snakemake)
    dictionary = load_dictionary(snakemake.input.dictionary)
    truth = pd.concat([read_result(f) for f in snakemake.input.truth], ignore_index=True)
    relative = truth["outcome"].map(dictionary["unit"]) == PERCENT_OF_VEHICLE
    joined = join_truth(read_result(snakemake.input.measurements), truth[~relative])
    if relative.any():
        cultures = read_sheet("cultures", snakemake.input.cultures)[
            ["specimen_id", "animal_id", "condition", "role", "cue"]
        ]
        expected = vehicle_truth(truth[relative], cultures)
        units = read_result(snakemake.input.outcomes)
        units = units[units["variant"] == ""][["animal_id", "outcome", "condition", "value"]]
        wells = expected.merge(units, on=["animal_id", "outcome", "condition"], how="left")
        wells["specimen_id"] = wells["animal_id"] + ":" + wells["condition"]
        joined = pd.concat([joined, wells.assign(section_id="", variant="")], ignore_index=True)
    animals = read_sheet("animals", snakemake.input.animals).set_index("animal_id")
    table = recovery_table(joined, dictionary, animals["group"])
    write_result(table, snakemake.output.recovery, COLUMNS)
    save(recovery_figure(table), snakemake.output.figure)
    log.info("\n%s", summary(table).to_string(index=False))


if "snakemake" in globals():
    main(snakemake)
