"""Brings tables of other programs, clinical observations and readings by hand into the one long table.

Inputs
    the imports sheet's files, the clinical and the readings sheet.
Outputs
    outcomes/imported.tsv: measurements with source imported or reading. A table that cannot be read becomes a row with
    qc = fail and the reason, unless the config says stop.
"""

from periomics.core.errors import PeriomicsError
from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.outcomes.adapters import clinical_rows, expected_outcomes, read_import, reading_rows
from periomics.study import measurements
from periomics.study.dictionary import load_dictionary
from periomics.study.sheets import read_sheet


def main(snakemake):
    log = start_log(snakemake)
    dictionary = load_dictionary(snakemake.input.dictionary)
    tables = []
    for fact in snakemake.params.facts:
        common = {
            k: fact[k]
            for k in ("specimen_id", "animal_id", "section_id", "time", "time_unit", "role")
            if k in fact
        }
        common["modality"] = fact.get("modality", "imports")
        try:
            tables.append(
                measurements.tidy(read_import(fact, dictionary), source="imported", **common)
            )
        except (PeriomicsError, ValueError) as error:
            if snakemake.params.on_broken == "stop":
                raise
            log.warning("%s", error)
            tables.append(
                measurements.failed(
                    expected_outcomes(fact),
                    str(error),
                    source="imported",
                    level="specimen",
                    **common,
                )
            )
    clinical = read_sheet("clinical", snakemake.input.get("clinical"))
    readings = read_sheet("readings", snakemake.input.get("readings"))
    tables.append(
        measurements.tidy(clinical_rows(clinical, dictionary) + reading_rows(readings, dictionary))
    )
    write_result(measurements.concatenate(tables), snakemake.output.measurements)


if "snakemake" in globals():
    main(snakemake)
