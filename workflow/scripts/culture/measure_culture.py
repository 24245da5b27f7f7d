"""Measures all scratch series and plates of one isolation, blind to what each well was given.

Inputs
    files: the isolation's image series and plate tables.
Outputs
    measurements.tsv; fronts.png, curves.png and plates.png to judge them by.
"""

from pathlib import Path

from periomics.core.figures import message, save
from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.culture.measure import measure_culture
from periomics.culture.picture import curve_figure, front_figure, plate_figure
from periomics.study.settings.culture import Culture


def main(snakemake):
    log = start_log(snakemake)
    facts = snakemake.params.facts
    settings = Culture.of(snakemake.params.settings, "culture")
    table, series, plates = measure_culture(facts, settings, snakemake.params.on_broken)
    for reason in sorted(set(table.loc[table["qc"] == "fail", "qc_reason"])):
        log.warning("%s", reason)
    pictures = snakemake.output
    if series:
        save(front_figure(series), pictures.fronts)
        save(curve_figure(series), pictures.curves)
    else:
        message(pictures.fronts, "no scratch series was measured")
        message(pictures.curves, "no scratch series was measured")
    if plates:
        named = {f"{Path(p).stem} {n}".strip(): s for (p, n), s in plates.items()}
        save(plate_figure(named), pictures.plates)
    else:
        message(pictures.plates, "no plate was read")
    write_result(table, pictures.measurements)
    log.info("%d series, %d plates, %d measurements", len(series), len(plates), len(table))


if "snakemake" in globals():
    main(snakemake)
