"""Set what the scans of a batch share: a bone threshold from their pooled grey values, a calibration from their phantom.

Input: all scans of the batch, their rows (never arms), the study's settings. Output: one row with threshold and line. Only
planned where the settings ask for it (`threshold_rule: otsu`, `calibration: phantom`).
"""

from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.microct.batch import COLUMNS, batch_row
from periomics.microct.formats.lazy import open_volume
from periomics.study.settings.microct import Microct


def main(snakemake):
    log = start_log(snakemake)

    def read(row):
        stated = row.get("voxel_um")
        return open_volume(row["path"], None if stated in (None, "") else float(stated))

    settings = Microct.of(snakemake.params.settings, "microct")
    found = batch_row(snakemake.wildcards.batch, snakemake.params.facts, settings, read)
    log.info("%s", found.to_dict("records")[0])
    write_result(found, snakemake.output.batch, COLUMNS)


if "snakemake" in globals():
    main(snakemake)
