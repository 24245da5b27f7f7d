"""Power of every claim: what this design can detect, and how many animals the wanted power needs.

Inputs: the animals sheet, the claims, the outcome dictionary and, where the study is measured, outcomes/animals.tsv (SD and numbers of
animals; never the effect that was observed). Outputs: statistics/power.tsv,
statistics/power_curves.tsv and a figure. Claims that these animals can practically not support are
named in the log, with the number that it would take.
"""

from periomics.core.figures import message, save
from periomics.core.logs import start_log
from periomics.core.results import read_result, write_result
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.composite import with_index
from periomics.statistics.claims.inputs import load_design
from periomics.statistics.planning.power_figure import power_figure
from periomics.statistics.planning.power_tables import COLUMNS, CURVE_COLUMNS, power_tables
from periomics.study.interface.power import hardly_supported
from periomics.study.settings.planning import Planning


def main(snakemake):
    log = start_log(snakemake)
    plan, sheet, dictionary = load_design(snakemake.input, snakemake.params.get("roles"))
    measured = snakemake.input.get("outcomes")
    analysis = Analysis(plan, dictionary=dictionary)
    if measured:
        analysis = with_index(analysis.of(prepare(read_result(measured), sheet, dictionary)))
    planned = Planning.of(snakemake.params.settings, "planning")
    power, curves = power_tables(analysis, planned, sheet, int(snakemake.params.seed))
    log.info(
        "%d claims x outcomes, SD from %s",
        len(power),
        measured or "the config: nothing is measured yet",
    )
    for line in hardly_supported(power):
        log.warning("%s", line)
    write_result(power, snakemake.output.power, COLUMNS)
    write_result(curves, snakemake.output.curves, CURVE_COLUMNS)
    if len(curves):
        save(power_figure(curves, planned.power), snakemake.output.figure)
    else:
        message(
            snakemake.output.figure,
            "No power curves: no claim can be planned, see power.tsv for reasons.",
        )


if "snakemake" in globals():
    main(snakemake)
