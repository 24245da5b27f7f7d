"""Measure bone around the implant in one micro-CT scan.

Input: a scan in any format that `periomics.microct.formats.readers` knows, a corrected mask, an earlier scan and the batch's table where
there are any, the sheet's row, the study's settings. Output: the measurements, curves around the implant, a picture, label map, maps
of thickness and separation, facts of the scan. What cannot be measured gives rows with `qc = fail` and the reason.
"""

from periomics.core.errors import InputError, SpecimenError
from periomics.core.logs import start_log
from periomics.core.results import read_result
from periomics.microct.measure import outcomes
from periomics.microct.results import write_nothing, write_scan
from periomics.microct.scan import measure_file
from periomics.study.settings.microct import Microct

FROM_SHEET = ("specimen_id", "animal_id", "roi", "time", "time_unit", "role")


def main(snakemake):
    log = start_log(snakemake)
    settings = Microct.of(snakemake.params.settings, "microct")
    facts, out = snakemake.params.facts[0], snakemake.output
    scan, mask, batch = (str(snakemake.input.get(n) or "") for n in ("scan", "mask", "batch"))
    earlier = str(snakemake.input.get("earlier") or "")
    common = {c: facts[c] for c in FROM_SHEET if facts.get(c) not in (None, "")}
    if facts.get("role") == "phantom":
        write_nothing(scan, "a phantom: used for the calibration of its batch", (), common, out)
        return
    try:
        shared = read_result(batch).to_dict("records")[0] if batch else {}
        found = measure_file(
            scan,
            facts,
            settings,
            common=common,
            mask=mask,
            batch=shared,
            threads=snakemake.threads,
            earlier=earlier,
        )
    except (InputError, SpecimenError) as error:
        if snakemake.params.on_broken == "stop":
            raise
        log.error("%s", error)
        write_nothing(scan, str(error), outcomes(settings, bool(earlier)), common, out)
        return
    said = found.facts.set_index("fact")["value"]
    quality = said.index.str.startswith("quality: ")
    for part in (said[~quality], said[quality]):  # no line is thousands of characters long
        log.info("%s: %s", scan, part.to_dict())
    write_scan(found, str(facts["specimen_id"]), settings.voi.inner_um, out)


if "snakemake" in globals():
    main(snakemake)
