"""Judge each claim in the declared order.

Inputs: outcomes/animals.tsv, the animals sheet, the claims and the outcome dictionary. Output: statistics/verdicts.tsv, one row a
claim and outcome, with the interval at the adjusted level, the verdict and the reason.
"""

from pathlib import Path

import yaml

from periomics.statistics.animals import prepare
from periomics.statistics.judging import COLUMNS, verdict_table
from periomics.statistics.plan import read_plan
from periomics.study.dictionary import load_dictionary
from periomics.study.logs import start_log
from periomics.study.results import read_result, write_result
from periomics.study.sheets import read_sheet


def main(snakemake):
    log = start_log(snakemake)
    path = snakemake.input.get("claims")
    claims = yaml.safe_load(Path(str(path)).read_text(encoding="utf-8")) if path else {}
    plan = read_plan(claims, snakemake.params.get("roles"), str(path))
    dictionary = load_dictionary(snakemake.input.dictionary)
    sheet = read_sheet("animals", snakemake.input.get("animals") or None)
    prepared = prepare(read_result(snakemake.input.outcomes), sheet, dictionary)
    table = verdict_table(plan, prepared, dictionary)
    for row in table.to_dict("records"):
        log.info("%s, %s: %s (%s)", row["claim_id"], row["outcome"], row["verdict"], row["reason"])
    write_result(table, snakemake.output.verdicts, COLUMNS)


if "snakemake" in globals():
    main(snakemake)
