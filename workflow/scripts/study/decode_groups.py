"""Writes the sheets with arms in place of codes, once the key is opened; only inferring jobs read them.

Inputs
    the key (its arms come as a parameter) and the sheets that may hold codes.
Outputs
    study/decoded/<sheet>.tsv, one a sheet.
"""

from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.study.blinding import Coding
from periomics.study.sheets import read_sheet


def main(snakemake):
    log = start_log(snakemake)
    coding = Coding(tuple(snakemake.params.arms), snakemake.params.arms)
    for code, arm in coding.arms.items():
        log.info("%s is %s", code, arm)
    for name, path in snakemake.output.items():
        write_result(coding.decoded(read_sheet(name, snakemake.input[name])), path)


if "snakemake" in globals():
    main(snakemake)
