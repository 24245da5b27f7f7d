"""Collect the measurements of all specimens into one checked table.

Inputs: every measurements.tsv, scans beside the others of their batches, the outcome dictionary.
Output: outcomes/measurements.tsv, sorted by its key.
"""

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.outcomes.collect import collect, hold, read_measurements
from periomics.study.dictionary import load_dictionary
from periomics.study.measurements import COLUMNS


def main(snakemake):
    log = start_log(snakemake)
    dictionary = load_dictionary(snakemake.input.dictionary)
    tables = [(str(path), read_measurements(path)) for path in snakemake.input.get("tables", [])]
    df = collect(tables, dictionary)
    for path in snakemake.input.get("levels", []):
        unlike = read_result(path).query("hold == 'yes'")
        df = hold(df, dict(zip(unlike["specimen_id"].astype(str), unlike["reason"], strict=True)))
    log.info(
        "%d measurements of %d specimens from %d tables",
        len(df),
        df["specimen_id"].nunique(),
        len(tables),
    )
    write_result(df, snakemake.output.measurements, COLUMNS)


if "snakemake" in globals():
    main(snakemake)
