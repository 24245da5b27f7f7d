"""Describes the results folder as an RO-Crate.

Inputs
    the run's record and checksums, the report and the tables to describe.
Outputs
    ro-crate-metadata.json in the results folder.
"""

import json
import os
from pathlib import Path

from periomics.core.files import write_text
from periomics.core.logs import start_log
from periomics.core.results import read_result
from periomics.provenance.crate import crate_metadata


def main(snakemake):
    start_log(snakemake)
    results = Path(snakemake.output.crate).parent
    files = [os.path.relpath(f, results) for f in snakemake.input.files]
    record = json.loads(Path(snakemake.input.record).read_text(encoding="utf-8"))
    metadata = crate_metadata(
        results, files, read_result(snakemake.input.inputs), record, snakemake.params.title
    )
    write_text(json.dumps(metadata, indent=1) + "\n", snakemake.output.crate)


if "snakemake" in globals():
    main(snakemake)
