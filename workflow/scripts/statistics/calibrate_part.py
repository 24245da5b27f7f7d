"""Judge simulated studies of some scenarios by the study's own claims and design.

Inputs: the animals sheet, the claims and the outcome dictionary. Output: one table per part, one row per scenario, claim, outcome and
quantity (verdicts, false ones, coverage). The log shows progress.
"""

import pandas as pd

from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.statistics.calibration.rates import COLUMNS, calibrate
from periomics.statistics.calibration.scenarios import scenarios
from periomics.statistics.claims.inputs import load_design
from periomics.study.settings.calibration import Calibration
from periomics.study.settings.planning import Planning


def main(snakemake):
    log = start_log(snakemake)
    plan, sheet, dictionary = load_design(snakemake.input, snakemake.params.get("roles"))
    planned = Planning.of(snakemake.params.planning, "planning")
    settings = Calibration.of(snakemake.params.settings, "calibration")
    every = scenarios(plan, planned.R, planned.recovery, settings.sizes)
    tables = [pd.DataFrame(columns=list(COLUMNS))]
    for scenario in every[int(snakemake.wildcards.part) - 1 :: int(snakemake.params.parts)]:
        tables.append(
            calibrate(
                scenario,
                plan,
                sheet,
                dictionary,
                settings,
                int(snakemake.params.seed),
                cv_of=planned.cv_of,
                progress=lambda done, name=scenario.name: log.info(
                    "%s: %d of %d studies", name, done, settings.studies
                ),
            )
        )
    full = [t for t in tables if len(t)] or tables[:1]
    write_result(pd.concat(full, ignore_index=True), snakemake.output.table, COLUMNS)


if "snakemake" in globals():
    main(snakemake)
