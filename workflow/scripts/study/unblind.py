"""Records, once, what the verdicts rest on and what they were when the study was unblinded.

Inputs
    the verdicts; sheets, key, masks, annotations and imports as the study names them.
Outputs
    rows in claims.lock.tsv of the study's folder: a digest of every sheet, section of the config, key, mask, annotation and import,
    and every verdict. Later changes are listed against them in statistics/deviations.tsv.
"""

from periomics.core.logs import start_log
from periomics.core.results import read_result
from periomics.study.claims_lock import append, now, read_lock
from periomics.study.frozen import unblind_entries, unblinded
from periomics.study.study import load_study


def main(snakemake):
    log = start_log(snakemake)
    study = load_study(snakemake.params.config, snakemake.params.config["study_dir"])
    verdicts, lock = read_result(snakemake.input.verdicts), study.lock_file()
    added = append(lock, lambda before: unblind_entries(before, study, verdicts, now()))
    if added:
        log.info("unblinded at %s: %d rows appended to %s", added[0].when, len(added), lock)
    else:
        log.info(
            "unblinded before, at %s; the first time counts, %s stays as it is",
            unblinded(read_lock(lock)),
            lock,
        )


if "snakemake" in globals():
    main(snakemake)
