"""Records the declared claims and roles with the time, before data are looked at.

Inputs
    the claims, the config's roles and the sheets that name the arms.
Outputs
    rows in claims.lock.tsv of the study's folder: all items the first time, what changed afterwards. No other job writes there
    but `unblind`.
"""

from pathlib import Path

from periomics.core.errors import PeriomicsError
from periomics.core.logs import start_log
from periomics.core.problems import listing
from periomics.study.check.frozen import declaration_problems
from periomics.study.claims_lock import append, now
from periomics.study.dictionary import load_dictionary
from periomics.study.frozen import declared_items, freeze_entries, state_of
from periomics.study.study import load_study


def main(snakemake):
    log = start_log(snakemake)
    study = load_study(snakemake.params.config, snakemake.params.config["study_dir"])
    lock = Path(study.lock_file())
    errors = listing(
        declaration_problems(study, load_dictionary(snakemake.input.dictionary)), "error"
    )
    if errors:
        raise PeriomicsError(
            "the claims cannot be frozen; to be mended first:\n"
            + "\n".join(f"  {e}" for e in errors)
        )
    added = append(
        lock, lambda before: freeze_entries(before, declared_items(study), state_of(study), now())
    )
    if not added:
        log.info("nothing changed since the claims were last frozen; %s stays as it is", lock)
    for entry in added:
        log.info("%s: %s: %s", entry.event, entry.item, entry.change)
    if added:
        log.info("%d rows appended to %s; keep it with the study", len(added), lock)


if "snakemake" in globals():
    main(snakemake)
