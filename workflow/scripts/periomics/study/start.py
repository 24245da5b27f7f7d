"""The check as Snakemake starts: in a process of its own, before the first job of a run and before a dry run plans."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence

from periomics.study.plan import BEFORE_DATA, before_data

# Short flags without a value may stand before -n in one word, as in -pn.
_DRY = re.compile(r"-[pkiFc\d]*n[a-zA-Z]*|--dry-?run")


def dry_run(words: Sequence[str]) -> bool:
    """Whether Snakemake's own arguments ask for a dry run: its hooks are not called then."""
    return any(_DRY.fullmatch(word) for word in words) and not BEFORE_DATA & set(words)


def passes(
    script: str, request: Mapping[str, object], targets: Iterable[str] = (), dry: bool = False
) -> bool:
    """Whether a study may run; what is to be mended goes to standard error.

    Parameters
    ----------
    script
        workflow/scripts/study/check_study.py.
    request
        What it is told (see there).
    targets
        What is asked for: claims are frozen and studies planned before there is any file to look at.
    dry
        Nothing is written.
    """
    if before_data(targets):
        return True
    told = json.dumps({**request, "dry_run": dry}, default=str)
    done = subprocess.run([sys.executable, script], input=told, text=True, check=False)  # noqa: S603
    return done.returncode == 0
