"""What the statistics scripts read: the claims, the animals sheet, the outcome dictionary, animals prepared for contrasts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import yaml

from periomics.core.results import read_result
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.plan import Plan, read_plan
from periomics.study.dictionary import load_dictionary
from periomics.study.sheets import read_sheet


def load_design(
    files: Mapping[str, str], roles: Mapping[str, object] | None
) -> tuple[Plan, pd.DataFrame, pd.DataFrame]:
    """Read a rule's inputs `animals`, `claims` (both may be absent) and `dictionary`.

    Returns
    -------
    plan, sheet, dictionary
    """
    path = files.get("claims")
    claims = yaml.safe_load(Path(str(path)).read_text(encoding="utf-8")) if path else {}
    sheet = read_sheet("animals", files.get("animals") or None)
    return read_plan(claims, roles, str(path)), sheet, load_dictionary(files["dictionary"])


def load(
    files: Mapping[str, str], roles: Mapping[str, object] | None, outcomes: str = "outcomes"
) -> Analysis:
    """Read what `load_design` does, and the animals of the input `outcomes`."""
    plan, sheet, dictionary = load_design(files, roles)
    return Analysis(plan, prepare(read_result(files[outcomes]), sheet, dictionary), dictionary)
