"""White point, stain vectors and thresholds of a stain batch, from the pooled pixels of its sections, blind to arms.

Inputs
    images and regions of the batch's sections; resources/stains.yaml.
Outputs
    <results>/histology/batches/<batch>.tsv: one row per stain. Sections depend on this file only.
"""

from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.histology.settings import stain_settings
from periomics.histology.stain_batch import batch_table
from periomics.imaging.stains import load_stains


def main(snakemake):
    log = start_log(snakemake)
    settings = stain_settings(snakemake.params.settings or {}, load_stains(snakemake.input.stains))
    table = batch_table(snakemake.params.facts, settings, log.warning)
    for row in table.to_dict("records"):
        log.info(
            "%s: threshold %.4f by %s, %d sections",
            row["stain"],
            row["threshold"],
            row["rule"],
            row["n_sections"],
        )
        if row["reason"]:
            log.warning("%s: %s", row["stain"], row["reason"])
    write_result(table, snakemake.output.batch)


if "snakemake" in globals():
    main(snakemake)
