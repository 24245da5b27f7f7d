"""Judge each claim in the declared order.

Inputs: outcomes/animals.tsv, the animals sheet, the claims, the outcome dictionary and, where scores are linked to outcomes,
linkage/associations.tsv. Outputs: statistics/verdicts.tsv, one row a
claim and outcome, with the interval at the adjusted level, the verdict and the reason; where animals have no value, with the distance
at which these would tip it; where something was excluded, with the verdict of all animals beside it (outcomes/animals_all.tsv);
statistics/arms.tsv, the value of every compared arm in the outcome's own unit.
While groups are coded nothing is judged.
"""

from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.statistics.claims.blinded import judged, visible
from periomics.statistics.claims.excluded import COLUMNS as ALL_COLUMNS
from periomics.statistics.claims.excluded import beside_all
from periomics.statistics.claims.inputs import load, load_design
from periomics.statistics.claims.judging import COLUMNS
from periomics.statistics.claims.tipping import COLUMNS as TIPPING
from periomics.statistics.claims.tipping import with_tipping
from periomics.statistics.claims.typical import RECOVERED, arm_table, with_recovered
from periomics.study.interface.arms import COLUMNS as ARMS


def main(snakemake):
    log = start_log(snakemake)
    roles = snakemake.params.get("roles")
    analysis = load(snakemake.input, roles)
    linked = snakemake.input.get("associations")
    associations = read_result(str(linked)) if linked else None
    withheld = snakemake.params.get("withheld")
    table = judged(analysis, withheld, associations)
    found = load(snakemake.input, roles, "everyone")
    everyone = found if len(found.animals) else None
    table = with_tipping(table, analysis, load_design(snakemake.input, roles)[1], everyone)
    table = with_recovered(table, analysis)
    table = beside_all(table, judged(everyone, withheld, associations) if everyone else None)
    for row in table.to_dict("records"):
        log.info("%s, %s: %s (%s)", row["claim_id"], row["outcome"], row["verdict"], row["reason"])
    columns = (*COLUMNS, *RECOVERED, *TIPPING, *ALL_COLUMNS)
    write_result(table, snakemake.output.verdicts, columns)
    write_result(arm_table(visible(analysis, withheld)), snakemake.output.arms, ARMS)


if "snakemake" in globals():
    main(snakemake)
