"""Checks the whole study before anything is measured, and writes the plan.

Inputs
    the sheets and the claims, as files; headers of the raw files they name.
Outputs
    check/plan.txt: notes, warnings and the plan. With a problem nothing is written, and all problems are listed at once.
"""

from periomics.study.check import find_problems, report
from periomics.study.dictionary import load_dictionary
from periomics.study.errors import PeriomicsError
from periomics.study.files import write_text
from periomics.study.logs import start_log
from periomics.study.study import load_study


def probe_scan(path, record):
    """Voxel size in µm that the header of a volume states."""
    from periomics.microct.readers import probe

    spacing = probe(path).spacing_um
    return None if spacing is None else float(min(spacing))


def probe_image(path, record):
    """Pixel size in µm that the header of an image states."""
    from periomics.imaging.readers import probe

    return probe(path).pixel_um


def main(snakemake):
    log = start_log(snakemake)
    study = load_study(snakemake.config, snakemake.params.folder)
    probes = {"scans": probe_scan, "sections": probe_image, "cultures": probe_image}
    problems = find_problems(study, load_dictionary(snakemake.input.dictionary), probes)
    text, usable = report(study, problems)
    if not usable:
        raise PeriomicsError("\n" + text)
    write_text(text, snakemake.output.plan)
    log.info("\n%s", text)


if "snakemake" in globals():
    main(snakemake)
