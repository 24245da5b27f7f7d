"""Small animal tables with known content, for the tests of statistics."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from periomics.outcomes.aggregate import COLUMNS
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.plan import read_plan
from periomics.study.dictionary import load_dictionary

ROOT = Path(__file__).resolve().parents[3]
DICTIONARY = load_dictionary(ROOT / "resources" / "outcomes.tsv")
ROLES = {"healthy": "CTRL", "disease": "DRUG", "treated": ["PRE", "POST"]}
CLAIMS = yaml.safe_load((ROOT / "config" / "claims.yaml").read_text(encoding="utf-8"))
# Claims on the primary outcome of each domain.
CORE = [c for c in CLAIMS["claims"] if c["id"].startswith(("C0", "C1", "C2", "C3", "C4"))]
ARMS = ("CTRL", "DRUG", "PRE", "POST")
MEANS = {
    "bvtv": (48, 33, 34, 43),
    "elac": (8, 38, 36, 18),
    "ln332": (55, 25, 27, 45),
    "mvd": (95, 55, 58, 85),
    "neu": (60, 260, 245, 120),
}


def plan(**changes):
    return read_plan(CLAIMS | changes, ROLES)


def analysis(the_plan, animals=None):
    """A plan with prepared animals, or with none measured."""
    return Analysis(the_plan, pd.DataFrame() if animals is None else animals, DICTIONARY)


def analysed(table, sheet, the_plan=None):
    """A plan with the animals of a table."""
    return analysis(the_plan or plan(), prepare(table, sheet, DICTIONARY))


def row(animal, outcome, condition, value, **more):
    base = dict.fromkeys(COLUMNS, "") | {
        "dose": np.nan,
        "time": 28.0,
        "time_unit": "d",
        "n_sections": 0,
        "n_fields": 0,
        "status": "measured",
        "numerator": np.nan,
        "denominator": np.nan,
        "unit": str(DICTIONARY["unit"].get(outcome, "a.u.")),
    }
    return (
        base
        | {"animal_id": animal, "outcome": outcome, "condition": condition, "value": value}
        | more
    )


def study(values, unit="animal"):
    """values: outcome → arm → list of animals; returns the animals table and the sheet."""
    rows, groups = [], {}
    for outcome, arms in values.items():
        for arm, ys in arms.items():
            for i, y in enumerate(ys):
                rows.append(row(f"{arm}{i}", outcome, arm, float(y)))
                groups[f"{arm}{i}"] = arm
    sheet = pd.DataFrame(
        {"animal_id": list(groups), "group": list(groups.values()), "unit": unit, "block": ""}
    )
    return pd.DataFrame(rows, columns=list(COLUMNS)), sheet


def simulated(seed=1, n=6, cv=0.12, means=MEANS, arms=ARMS):
    rng = np.random.default_rng(seed)
    return study(
        {
            o: {
                a: m * np.exp(rng.normal(0, cv, n))
                for a, m in zip(ARMS, ms, strict=True)
                if a in arms
            }
            for o, ms in means.items()
        }
    )
