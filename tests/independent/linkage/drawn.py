"""Inputs of `associate`, drawn here, and the truth from statsmodels: written from the definition, not from the code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.stats import binom

from periomics.linkage.pairs import associate
from periomics.study.dictionary import load_dictionary

SCORE = "score:signature:DRAWN"
OUTCOME = "conn"  # on the identity scale
DICTIONARY = load_dictionary(Path(__file__).parents[3] / "resources" / "outcomes.tsv")


def rows(
    outcome: str,
    animals: Any,
    values: Any,
    condition: Any = "",
    time: Any = np.nan,
    dose: Any = np.nan,
    unit: str = "1",
) -> pd.DataFrame:
    """Measured rows of one outcome."""
    n = len(animals)
    table = {
        "animal_id": list(animals),
        "condition": condition,
        "outcome": outcome,
        "value": np.asarray(values, float),
        "unit": unit,
        "variant": "",
        "time": time,
        "dose": dose,
        "status": "measured",
        "time_unit": "d",
    }
    return pd.DataFrame(table, index=range(n))


def sheet(animals: Any, group: Any = "", block: Any = "") -> pd.DataFrame:
    """Animals with their arms and blocks."""
    return pd.DataFrame(
        {"group": group, "block": block}, index=pd.Index(list(animals), name="animal_id")
    )


def ask(
    parts: list[pd.DataFrame],
    animals: pd.DataFrame,
    units: str = "animal",
    outcome: str = OUTCOME,
    *,
    seed: int = 1,
    permutations: int = 199,
) -> pd.Series:
    """The row of the one pair."""
    found = associate(
        pd.concat(parts, ignore_index=True),
        animals,
        [{"score": SCORE, "outcome": outcome, "units": units}],
        dictionary=DICTIONARY,
        assay_genes={},
        set_genes={},
        seed=seed,
        n_permutations=permutations,
    )
    assert len(found) == 1
    return found.iloc[0]


def partial(x: Any, y: Any, *factors: Any) -> float:
    """Correlation of what additive factors leave of both, by statsmodels."""
    columns = [np.ones(len(x))]
    for factor in factors:
        labels = np.array([str(k) for k in factor])
        columns += [(labels == k).astype(float) for k in np.unique(labels)[1:]]
    design = np.column_stack(columns)
    left = [sm.OLS(np.asarray(v, float), design).fit().resid for v in (x, y)]
    return float(np.corrcoef(*left)[0, 1])


def same_side(row: pd.Series) -> bool:
    """Whether the interval holds 0 exactly where p is above .05."""
    return bool((row["lower"] <= 0 <= row["upper"]) == (row["p"] > 0.05))


def holds_its_level(
    draw: Callable[[np.random.Generator], pd.Series], studies: int, least: float = 1.0
) -> None:
    """No link: p of .05 or less in no more studies than an exact binomial of .05 allows (1 in 10,000).

    Seeds are 0, 1, ...; in every study that is tested the interval and p agree, and at least the share `least` is tested.
    """
    found = [draw(np.random.default_rng(s)) for s in range(studies)]
    assert all(np.isfinite(row["p"]) != bool(row["reason"]) for row in found)
    found = [row for row in found if np.isfinite(row["p"])]
    assert len(found) >= least * studies
    assert all(same_side(row) for row in found)
    wrong = sum(row["p"] <= 0.05 for row in found)
    most = binom.ppf(1 - 1e-4, len(found), 0.05)
    assert wrong <= most, f"p of .05 or less in {wrong} of {len(found)} studies; at .05 {most:.0f}"
