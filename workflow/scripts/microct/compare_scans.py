"""Set the grey values of marrow and bone of every scan against those of the others of its batch.

Input: the facts of all scans, their rows (never arms), the study's settings. Output: one row a
scan; those that are brighter or darker than the limit allows are held back where the measurements
are collected.
"""

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.microct.members import COLUMNS, compared, levels_of
from periomics.study.settings.microct import Microct


def main(snakemake):
    log = start_log(snakemake)
    settings = Microct.of(snakemake.params.settings, "microct")
    rows = {f["specimen_id"]: f for f in snakemake.params.facts if f.get("role") != "phantom"}
    files = dict(zip(snakemake.params.specimens, snakemake.input.facts, strict=True))
    levels = {name: levels_of(read_result(files[name])) for name in rows}
    found = compared(list(rows.values()), levels, settings)
    log.info("%d scans, %d unlike their batch", len(found), (found["hold"] == "yes").sum())
    write_result(found, snakemake.output.levels, COLUMNS)


if "snakemake" in globals():
    main(snakemake)
