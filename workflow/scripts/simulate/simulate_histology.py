"""Simulates the stained sections of the study, with regions and truth.

Inputs
    truth/targets.tsv: what each specimen should show.
Outputs
    images (OME-TIFF or PNG) and regions (QuPath GeoJSON) at the paths of the sections sheet; truth/histology.tsv.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.simulate.histology import truth_table
from periomics.simulate.histology_files import section_jobs, write_section


def main(snakemake):
    log = start_log(snakemake)
    targets = read_result(snakemake.input.targets)
    wanted = {str(path) for path in snakemake.output.raw}
    facts = [f for f in snakemake.params.facts if str(f["path"]) in wanted]
    jobs = section_jobs(facts, targets, snakemake.params.settings, int(snakemake.params.seed))
    if snakemake.threads > 1 and len(jobs) > 1:
        # fork: a spawned process would run this script again
        with ProcessPoolExecutor(snakemake.threads, mp_context=get_context("fork")) as pool:
            rows = list(pool.map(write_section, jobs, chunksize=4))
    else:
        rows = [write_section(job) for job in jobs]
    write_result(truth_table([r for part in rows for r in part]), snakemake.output.truth)
    log.info("%d sections drawn", len(jobs))


if "snakemake" in globals():
    main(snakemake)
