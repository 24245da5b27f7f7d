"""Simulates the stained sections of the study, with regions and truth.

Inputs
    truth/targets.tsv: what each specimen should show.
Outputs
    images (OME-TIFF or PNG) and regions (QuPath GeoJSON) at the paths of the sections sheet; truth/histology.tsv.
"""

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.simulate.histology import truth_table
from periomics.simulate.histology_files import section_jobs, write_section
from periomics.simulate.layers import rows_of


def main(snakemake):
    log = start_log(snakemake)
    targets = read_result(snakemake.input.targets)
    wanted = {str(path) for path in snakemake.output.raw}
    facts = [f for f in snakemake.params.facts if str(f["path"]) in wanted]
    jobs = section_jobs(facts, targets, snakemake.params.settings, int(snakemake.params.seed))
    rows = rows_of(write_section, jobs, snakemake.threads)
    write_result(truth_table(rows), snakemake.output.truth)
    log.info("%d sections drawn", len(jobs))


if "snakemake" in globals():
    main(snakemake)
