"""Simulate the micro-CT scans of a study: raw files in the sheet's formats, and the truth of each.

Input: targets per specimen (`bvtv`, %). Output: one scan a row of the sheet, and what was realised, by the definitions of
the config's `microct` section. Specimens are drawn each with a seed of their own, so the number of processes is free.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import pandas as pd

from periomics.core.errors import InputError
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.simulate.microct import scan_model, simulate_to_file
from periomics.study.settings.microct import Microct

COLUMNS = (
    "specimen_id",
    "animal_id",
    "section_id",
    "field_id",
    "roi",
    "outcome",
    "variant",
    "time",
    "truth",
)


def main(snakemake):
    log = start_log(snakemake)
    wanted = {str(path) for path in snakemake.output.raw}
    rows = [facts for facts in snakemake.params.facts if str(facts["path"]) in wanted]
    targets = (
        read_result(snakemake.input.targets)
        .query("target == 'bvtv'")
        .set_index("specimen_id")["value"]
    )
    missing = [r["specimen_id"] for r in rows if r["specimen_id"] not in targets.index]
    if missing:
        raise InputError(
            "no bvtv target for some scans",
            file=snakemake.input.targets,
            value=", ".join(missing[:5]),
        )
    model = scan_model(snakemake.params.settings.get("microct") or {})
    definitions = Microct.of(snakemake.params.definitions, "microct")
    one = partial(
        simulate_to_file, model=model, definitions=definitions, seed=snakemake.params.seed
    )
    shares = [float(targets[r["specimen_id"]]) for r in rows]
    if snakemake.threads > 1:
        # fork: a spawned process would run this script again
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(snakemake.threads, mp_context=fork) as pool:
            found = list(pool.map(one, rows, shares))
    else:
        found = [one(facts, share) for facts, share in zip(rows, shares, strict=True)]
    log.info("%d scans of %s voxels", len(rows), model.shape)
    table = pd.DataFrame([row for specimen in found for row in specimen], columns=list(COLUMNS))
    write_result(table, snakemake.output.truth, COLUMNS)


if "snakemake" in globals():
    main(snakemake)
