"""Compares every measurement of a simulated study with what was simulated.

Inputs
    all measurements and aggregated outcomes, the truth of every layer, the outcome dictionary with its tolerances; differential
    tests and cell labels, where the study has them.
Outputs
    recovery.tsv: measured, truth, error, tolerance, pass; and a figure.
"""

from pathlib import Path

import pandas as pd

from periomics.core.figures import save
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.simulate import recovery, recovery_omics
from periomics.study.dictionary import load_dictionary
from periomics.study.sheets import read_sheet


def omics_rows(inputs, group):
    rows = []
    if inputs.get("genes"):
        libraries = read_sheet("libraries", inputs.libraries)
        shifts = recovery_omics.arm_shifts(
            read_result(inputs.genes),
            read_result(inputs.targets),
            libraries[libraries["assay"] == "bulk"],
            group,
        )
        rows += recovery_omics.bulk_rows(
            {Path(f).stem: read_result(f) for f in inputs.get("de", [])},
            read_result(inputs.tests),
            shifts,
        )
    if inputs.get("cells"):
        rows.append(recovery_omics.label_row(read_result(inputs.cells), read_result(inputs.types)))
    return rows


def main(snakemake):
    log = start_log(snakemake)
    dictionary = load_dictionary(snakemake.input.dictionary)
    truth = pd.concat([read_result(f) for f in snakemake.input.truth], ignore_index=True)
    relative = truth["outcome"].map(dictionary["unit"]) == recovery.PERCENT_OF_VEHICLE
    joined = recovery.join_truth(read_result(snakemake.input.measurements), truth[~relative])
    if relative.any():
        cultures = read_sheet("cultures", snakemake.input.cultures)
        wells = recovery.vehicle_truth(
            truth[relative], cultures, read_result(snakemake.input.outcomes)
        )
        joined = pd.concat([joined, wells], ignore_index=True)
    animals = read_sheet("animals", snakemake.input.animals).set_index("animal_id")
    table = recovery.recovery_table(joined, dictionary, animals["group"])
    table = pd.concat(
        [
            table,
            pd.DataFrame(
                omics_rows(snakemake.input, animals["group"]), columns=list(recovery.COLUMNS)
            ),
        ]
    )
    write_result(table, snakemake.output.recovery, recovery.COLUMNS)
    save(recovery.recovery_figure(table), snakemake.output.figure)
    log.info("\n%s", recovery.summary(table).to_string(index=False))


if "snakemake" in globals():
    main(snakemake)
