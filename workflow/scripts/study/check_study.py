"""Checks the whole study before anything is measured, and writes the plan; by hand: `check_study.py < request.json`.

The workflow calls this as it starts: a job that everything waits for would hide changed settings from Snakemake's triggers.
Inputs
    a JSON mapping on standard input (see `main`); then sheets, claims and the headers of the raw files they name.
Outputs
    check/plan.txt, or all problems at once and exit status 1; a study that has not changed is not checked again.
"""

import json
import logging
import sys
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from periomics.core.code import code_digest
from periomics.core.yamls import read_mapping
from periomics.openings import areas
from periomics.study.check.study import gate, known_outcomes
from periomics.study.study import load_study


def main(request):
    """Check a study (config, files, folder, results, tables, dry_run); 0 if it may run. Snakemake hides keys that stand twice."""
    logging.disable(logging.CRITICAL)  # told as problems
    study = load_study(request["config"], request["folder"])
    study.problems.extend(p for f in request.get("files", ()) for p in read_mapping(f, f)[1])
    dictionary = known_outcomes(study, request["tables"])
    code, write = code_digest("study/check_study"), not request.get("dry_run")
    opened, folder = partial(areas, request["tables"], dictionary), Path(request["results"])
    text, usable = gate(study, folder / "check", dictionary, opened, code, write)
    print(text, end="\n" if text else "", file=sys.stderr)
    return 0 if usable else 1


if __name__ == "__main__":
    sys.exit(main(json.load(sys.stdin)))
