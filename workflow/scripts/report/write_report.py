"""Writes the report of a study: one self-contained page, the methods text, and the figures with their tables.

Inputs
    whatever the study has of: the check's plan, outcomes, contrasts, rescue fractions, verdicts, recovery, differential tests,
    scores, associations, networks, provenance, the sheets, the claims and the outcome dictionary. Pictures are found beside the
    results by the ids in the sheets.
Outputs
    report/report.html, report/methods.md, and report/figures with a table beside every figure.
"""

from pathlib import Path

from periomics.core.logs import start_log
from periomics.report.page import write_report
from periomics.report.sources import sources


def main(snakemake):
    log = start_log(snakemake)
    page = Path(str(snakemake.output.report))
    found = sources(dict(snakemake.input.items()), page.parent.parent)
    size = write_report(
        found, page, Path(str(snakemake.output.methods)), Path(str(snakemake.output.figures))
    )
    log.info("%s: %.1f MB", page, size / 1e6)


if "snakemake" in globals():
    main(snakemake)
