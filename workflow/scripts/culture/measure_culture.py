"""Measures all cultures of one isolation, blind to what each well was given.

Inputs
    files: the isolation's image series, pictures, plates and tables.
Outputs
    measurements.tsv; fronts.png, curves.png, networks.png, nuclei.png and plates.png to judge them by.
"""

from pathlib import Path

from periomics.core.figures import message, save
from periomics.core.logs import start_log
from periomics.core.results import write_result
from periomics.culture.measure import measure_culture
from periomics.culture.picture import (
    curve_figure,
    front_figure,
    network_figure,
    nuclei_figure,
    plate_figure,
)
from periomics.study.settings.culture import Culture


def main(snakemake):
    log = start_log(snakemake)
    settings = Culture.of(snakemake.params.settings, "culture")
    found = measure_culture(snakemake.params.facts, settings, snakemake.params.on_broken)
    table = found.table
    for reason in sorted(set(table.loc[table["qc"] == "fail", "qc_reason"])):
        log.warning("%s", reason)
    plates = {f"{Path(p).stem} {n}".strip(): s for (p, n), s in found.plates.items()}
    drawn = {
        "fronts": (front_figure, found.series, "no scratch series was measured"),
        "curves": (curve_figure, found.series, "no scratch series was measured"),
        "networks": (network_figure, found.networks, "no tubes or junctions were measured"),
        "nuclei": (nuclei_figure, found.counted, "no nuclei were counted"),
        "plates": (plate_figure, plates, "no plate was read"),
    }
    for name, (figure, of, without) in drawn.items():
        if of:
            save(figure(of), snakemake.output[name])
        else:
            message(snakemake.output[name], without)
    write_result(table, snakemake.output.measurements)
    log.info("%d series, %d plates, %d measurements", len(found.series), len(plates), len(table))


if "snakemake" in globals():
    main(snakemake)
