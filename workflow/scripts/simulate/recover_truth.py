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
    group = read_sheet("animals", snakemake.input.animals).set_index("animal_id")["group"]
    table = recovery.recovery_table(joined, dictionary, group)
    names = ("genes", "targets", "tests", "cells", "types")
    planted = {n: read_result(f) for n in names if (f := snakemake.input.get(n))}
    libraries = read_sheet("libraries", snakemake.input.get("libraries") or None)
    de = {Path(f).stem: read_result(f) for f in snakemake.input.get("de", [])}
    rows = recovery_omics.rows_of(planted, de, libraries, group)
    table = pd.concat([table, pd.DataFrame(rows, columns=list(recovery.COLUMNS))])
    write_result(table, snakemake.output.recovery, recovery.COLUMNS)
    save(recovery.recovery_figure(table), snakemake.output.figure)
    log.info("\n%s", recovery.summary(table).to_string(index=False))


if "snakemake" in globals():
    main(snakemake)
