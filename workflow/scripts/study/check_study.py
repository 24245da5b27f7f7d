"""Checks the whole study before anything is measured, and writes the plan.

The workflow calls this as it starts, before any job: a job that everything waits for would hide changed settings from
Snakemake's own triggers. `python workflow/scripts/study/check_study.py < request.json` does the same by hand.

Inputs
    a JSON mapping on standard input: config, folder (of the sheets), results, dictionary (outcomes.tsv); then sheets, claims and
    the headers of the raw files they name.
Outputs
    check/plan.txt with notes, warnings and the plan. With a problem the plan is removed, all problems are listed at once, and the
    exit status is 1. What was checked before and has not changed since is not checked again.
"""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from periomics.core.code import code_digest
from periomics.core.yamls import read_mapping
from periomics.study.check.study import gate
from periomics.study.dictionary import load_dictionary
from periomics.study.study import load_study


def probe_scan(path, record):
    """Voxel size in µm that the header of a volume states."""
    from periomics.microct.formats.readers import probe

    spacing = probe(path).spacing_um
    return None if spacing is None else float(min(spacing))


def probe_image(path, record):
    """Pixel size in µm that the header of an image states."""
    from periomics.imaging.series import header

    return header(path).pixel_um


def main(request):
    """Check a study; the exit status is 0 when it may run."""
    # Snakemake reads the configuration too, and takes the last of two equal keys in silence.
    slips = [p for file in request.get("files", ()) for p in read_mapping(file, file)[1]]
    study = load_study(request["config"], request["folder"])
    study.problems.extend(slips)
    probes = {"scans": probe_scan, "sections": probe_image, "cultures": probe_image}
    dictionary = load_dictionary(request["dictionary"])
    text, usable = gate(
        study,
        Path(request["results"]) / "check",
        dictionary,
        probes,
        code_digest("study/check_study"),
    )
    if text:
        print(text, file=sys.stderr)
    return 0 if usable else 1


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin)))
