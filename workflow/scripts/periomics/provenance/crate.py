"""A results folder as an RO-Crate: every table and the report as entities, the workflow that made them, its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from periomics import __version__

MEDIA = {
    ".tsv": "text/tab-separated-values",
    ".html": "text/html",
    ".json": "application/json",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
    ".md": "text/markdown",
    ".svg": "image/svg+xml",
}


def crate_metadata(
    results: Path, files: list[str], inputs: pd.DataFrame, record: Mapping[str, Any], title: str
) -> dict:
    """RO-Crate metadata (JSON-LD) of a results folder, made with the rocrate library.

    Parameters
    ----------
    results
        Folder of the results, the crate's root.
    files
        Files to describe, relative to `results`; each must exist.
    inputs
        Table of `record.input_checksums`.
    record
        Mapping of `record.run_record`.
    title
        Title of the study.
    """
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate()
    crate.name = title
    crate.description = "Results of a periomics run: one value per animal and outcome, contrasts, verdicts, and the report."
    workflow = crate.add(
        ContextEntity(
            crate,
            "#periomics",
            properties={
                "@type": ["SoftwareApplication"],
                "name": "periomics",
                "softwareVersion": __version__,
                "identifier": str(dict(record["git"])["commit"]),
                "programmingLanguage": "Snakemake",
            },
        )
    )
    objects = [
        crate.add(
            ContextEntity(
                crate,
                f"#input-{i}",
                properties={
                    "@type": "File",
                    "name": row.name,
                    "sha256": row.sha256,
                    "contentSize": str(row.bytes),
                    "additionalType": row.kind,
                },
            )
        )
        for i, row in enumerate(inputs.itertuples(index=False))
    ]
    made = []
    for file in sorted(files):
        path = results / file
        properties = {"name": file, "contentSize": str(path.stat().st_size)}
        if path.suffix in MEDIA:
            properties["encodingFormat"] = MEDIA[path.suffix]
        made.append(crate.add_file(str(path), dest_path=file, properties=properties))
    action = crate.add(
        ContextEntity(
            crate,
            "#run",
            properties={
                "@type": "CreateAction",
                "name": f"periomics run of {title}",
                "description": f"seed {record['seed']}, claims sha256 {record['claims_sha256']}",
            },
        )
    )
    action["instrument"] = workflow
    action["object"] = objects
    action["result"] = made
    crate.root_dataset["mentions"] = [action]
    return crate.metadata.generate()
