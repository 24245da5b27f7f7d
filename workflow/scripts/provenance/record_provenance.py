"""Records what is run on what: resolved config, copies of the sheets, checksums of inputs, software, git state, seeds.

Outputs
    provenance/run.json, config.yaml, inputs.tsv, software.tsv and a folder with the sheets and claims as they were.
"""

import json
import shutil
from pathlib import Path

from periomics.core.files import atomic, write_text
from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.provenance.record import config_text, input_checksums, run_record, software_versions
from periomics.study.study import load_study


def main(snakemake):
    log = start_log(snakemake)
    study = load_study(snakemake.params.config, snakemake.params.config["study_dir"])
    inputs = input_checksums(study)
    write_result(inputs, snakemake.output.inputs)
    write_result(software_versions(), snakemake.output.software)
    write_text(config_text(study.config), snakemake.output.config)
    with atomic(snakemake.output.sheets) as part:
        part.mkdir()
        for row in inputs[inputs["kind"].isin(["sheet", "claims", "lock", "key"])].itertuples():
            shutil.copyfile(row.path, part / Path(row.path).name)
    record = run_record(
        study,
        Path(__file__).resolve().parents[3],
        snakemake.params.rules,
        snakemake.params.resources,
    )
    write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", snakemake.output.record)
    log.info("%d inputs, %d third-party tables", len(inputs), len(record["third_party_tables"]))


if "snakemake" in globals():
    main(snakemake)
