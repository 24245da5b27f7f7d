"""Measures every section of an animal: vessels, neutrophils, lacunae, the laminin-332 line, or what the config describes.

Inputs
    images, regions and edited detections of the animal's sections; the tables of their stain
    batches; resources/stains.yaml and nuclei_brightfield.npz (network); the user's own model of
    nuclei, where there is one.
Outputs
    measurements.tsv: one row per section, outcome and variant. objects.parquet: one row per detected object.
    quality.tsv: facts of each section's quality with their limits.
    sections/<section_id>.geojson (QuPath opens it), .regions.geojson where regions were proposed,
    .png at a glance, .strip.png along the implant, .html at full size with detections.
    overlays.png: all sections of the animal on one sheet.
"""

from pathlib import Path

from periomics.core.files import atomic, sha256
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.histology import pictures
from periomics.histology.animal import measure_animal
from periomics.histology.batch import batch_rows
from periomics.histology.quality import COLUMNS as QUALITY
from periomics.histology.settings import stain_settings
from periomics.imaging.convolution import load
from periomics.imaging.stains import load_stains
from periomics.study.measurements import COLUMNS


def main(snakemake):
    log = start_log(snakemake)
    given, network = snakemake.params.settings or {}, load(snakemake.input.network)
    own = str(getattr(snakemake.input, "model", "") or "")
    settings = stain_settings(given, load_stains(snakemake.input.stains), network, own)
    if own:
        log.info("nuclei model of the study's own: %s, SHA-256 %s", own, sha256(own))
    batches = {Path(f).stem: batch_rows(read_result(f), f) for f in snakemake.input.batches}
    stop = snakemake.params.on_broken == "stop"
    animal = measure_animal(snakemake.params.facts, settings, batches, stop, log.warning)
    out = snakemake.output
    with atomic(out.objects) as part:
        animal.objects.to_parquet(part, index=False)
    with atomic(out.sections) as part:
        part.mkdir()
        for shown in animal.sections:
            shown.write(part)
    pictures.save(
        pictures.contact_sheet([(s.label, s.picture) for s in animal.sections]), out.overlay
    )
    write_result(animal.quality, out.quality, QUALITY)
    write_result(animal.measurements, out.measurements, COLUMNS)
    log.info("%d sections, %d objects", len(animal.sections), len(animal.objects))


if "snakemake" in globals():
    main(snakemake)
