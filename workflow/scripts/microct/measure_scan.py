"""Measure bone around the implant in one micro-CT scan.

Input: a scan in any format that `periomics.microct.readers` knows, the sheet's row, the study's thresholds. Output: the
measurements, a picture, label map and thickness map. What cannot be measured gives rows with `qc = fail` and the reason.
"""

import numpy as np

from periomics.microct.measure import measure, outcomes
from periomics.microct.picture import overlay
from periomics.microct.readers import probe, read_volume
from periomics.microct.settings import parse
from periomics.microct.writers import write_volume
from periomics.study.errors import InputError, SpecimenError
from periomics.study.figures import message, save
from periomics.study.logs import start_log
from periomics.study.measurements import COLUMNS, failed
from periomics.study.results import write_result

FROM_SHEET = ("specimen_id", "animal_id", "roi", "time", "time_unit", "role")


def main(snakemake):
    log = start_log(snakemake)
    settings = parse(snakemake.params.settings or {})
    facts = snakemake.params.facts[0]
    common = {c: facts[c] for c in FROM_SHEET if facts.get(c) not in (None, "")}
    scan, out = str(snakemake.input.scan), snakemake.output
    try:
        stated = facts.get("voxel_um")
        volume = read_volume(scan, None if stated in (None, "") else float(stated))
        log.info("%s: %s voxels of %s um, %s", scan, volume.array.shape, volume.spacing_um, volume.source)
        found = measure(volume.array, volume.spacing_um, settings, common, snakemake.threads)
    except (InputError, SpecimenError) as error:
        if snakemake.params.on_broken == "stop":
            raise
        log.error("%s", error)
        _write_broken(scan, error, outcomes(settings), common, out)
        return
    save(overlay(volume.array, found, str(facts["specimen_id"])), out.overlay)
    write_volume(found.labels, volume.spacing_um, out.labels)
    write_volume(found.thickness_mm, volume.spacing_um, out.thickness)
    write_result(found.table, out.measurements, COLUMNS)


def _write_broken(scan, error, names, common, out):
    """All outputs of a scan that cannot be measured: maps of zeros in the scan's shape, or of one voxel."""
    try:
        header = probe(scan)
        shape, spacing = header.shape, header.spacing_um or (1.0,) * 3
    except InputError:
        shape, spacing = (1, 1, 1), (1.0,) * 3
    message(out.overlay, str(error))
    write_volume(np.zeros(shape, np.uint8), spacing, out.labels)
    write_volume(np.zeros(shape, np.float32), spacing, out.thickness)
    write_result(failed(names, str(error), modality="microct", level="specimen", **common), out.measurements, COLUMNS)


if "snakemake" in globals():
    main(snakemake)
