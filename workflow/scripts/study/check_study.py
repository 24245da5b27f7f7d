"""Checks the whole study before anything is measured, and writes the plan.

The workflow calls this as it starts, before any job: a job that everything waits for would hide changed settings from
Snakemake's own triggers. `python workflow/scripts/study/check_study.py < request.json` does the same by hand.

Inputs
    a JSON mapping on standard input: config, folder (of the sheets), results, dictionary (outcomes.tsv), and dry_run where
    nothing may be written; then sheets, claims and the headers of the raw files they name.
Outputs
    check/plan.txt with notes, warnings and the plan. With a problem the plan is removed, all problems are listed at once, and the
    exit status is 1. What was checked before and has not changed since is not checked again.
"""

import json
import logging
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from periomics.core.code import code_digest
from periomics.core.yamls import read_mapping
from periomics.study.check.opened import Areas
from periomics.study.check.study import gate
from periomics.study.dictionary import load_dictionary
from periomics.study.study import load_study


def areas():
    """Which area looks into which kind of file, imported here since `study` may know none of them."""
    from periomics.bulk.opening import check_together, look_at_counts
    from periomics.culture.opening import look_at_plate, look_at_series
    from periomics.genes.opening import check_analyses
    from periomics.histology.opening import look_at_drawing, look_at_regions, look_at_section
    from periomics.microct.opening import look_at_labels, look_at_scan
    from periomics.outcomes.opening import look_at_import
    from periomics.singlecell.opening import look_at_cells

    openers = {"scan": look_at_scan, "labels": look_at_labels, "section": look_at_section}
    openers |= {"regions": look_at_regions, "drawing": look_at_drawing, "import": look_at_import}
    openers |= {"series": look_at_series, "plate": look_at_plate}
    openers |= {"counts": look_at_counts, "cells": look_at_cells}
    return Areas(openers, (check_analyses, check_together))


def main(request):
    """Check a study; the exit status is 0 when it may run."""
    logging.disable(logging.CRITICAL)  # what decoders log is told as problems
    # Snakemake reads the configuration too, and takes the last of two equal keys in silence.
    slips = [p for file in request.get("files", ()) for p in read_mapping(file, file)[1]]
    study = load_study(request["config"], request["folder"])
    study.problems.extend(slips)
    folder, dictionary = Path(request["results"]) / "check", load_dictionary(request["dictionary"])
    write = not request.get("dry_run")
    text, usable = gate(study, folder, dictionary, areas, code_digest("study/check_study"), write)
    if text:
        print(text, file=sys.stderr)
    return 0 if usable else 1


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin)))
