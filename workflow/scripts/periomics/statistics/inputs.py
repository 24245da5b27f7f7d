"""What both statistics scripts read: the claims, the animals prepared for contrasts, the outcome dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import yaml

from periomics.statistics.animals import prepare
from periomics.statistics.plan import Plan, read_plan
from periomics.study.dictionary import load_dictionary
from periomics.study.results import read_result
from periomics.study.sheets import read_sheet


def load(files: Mapping[str, str], roles: Mapping[str, object] | None) -> tuple[Plan, pd.DataFrame, pd.DataFrame]:
    """Read a rule's inputs `outcomes`, `animals`, `claims` (may be absent) and `dictionary`.

    Returns
    -------
    plan, prepared, dictionary
    """
    path = files.get("claims")
    claims = yaml.safe_load(Path(str(path)).read_text(encoding="utf-8")) if path else {}
    plan = read_plan(claims, roles, str(path))
    dictionary = load_dictionary(files["dictionary"])
    sheet = read_sheet("animals", files.get("animals") or None)
    return plan, prepare(read_result(files["outcomes"]), sheet, dictionary), dictionary
