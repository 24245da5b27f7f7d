"""Inputs of `associate`, drawn here, and the truth from statsmodels: written from the definition, not from the code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy.stats import binom

from periomics.core.seeds import generator
from periomics.linkage.association import Association, beyond
from periomics.linkage.pairs import associate
from periomics.statistics.kernels.exchange import of_animals, of_units
from periomics.study.dictionary import load_dictionary

SCORE = "score:signature:DRAWN"
OUTCOME = "conn"  # on the identity scale
# Studies of each design that are asked through the tables as well.
AGAIN = 10
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


class Drawn(NamedTuple):
    """Score and outcome of one study: a value per unit, condition and dose. `arm` is '' where units
    hold several conditions."""

    score: Any
    outcome: Any
    unit: Any
    condition: Any
    dose: Any
    arm: Any
    block: Any


def asked(of: Drawn, seed: int = 1, permutations: int = 199) -> pd.Series:
    """The row of the pair, through the tables."""
    parts = [
        rows(name, of.unit, values, of.condition, dose=of.dose)
        for name, values in ((SCORE, of.score), (OUTCOME, of.outcome))
    ]
    if of.arm[0]:
        animals, units = sheet(of.unit, of.arm, of.block), "animal"
    else:
        animals, units = sheet(sorted(set(of.unit))), "isolation"
    return ask(parts, animals, units, seed=seed, permutations=permutations)


def kernel(of: Drawn, seed: int, permutations: int) -> Association:
    """The test of the same study without tables and interval: arms of one animal left out, rows by
    unit, condition, dose."""
    unit, condition, dose = (np.asarray(v) for v in (of.unit, of.condition, of.dose))
    arm, block = np.asarray(of.arm), np.asarray(of.block)
    order = np.lexsort((dose, condition, unit))
    if arm[0]:
        order = order[[np.sum(arm == arm[i]) > 1 for i in order]]
        design = of_animals(arm[order], block[order])
    else:
        cell = [c if np.isnan(d) else f"{c}@{d:g}" for c, d in zip(condition, dose, strict=True)]
        design = of_units(unit[order], np.array(cell)[order])
    rng = generator(seed, "associate_scores", f"{SCORE}~{OUTCOME}")
    values = (np.asarray(v, float)[order] for v in (of.score, of.outcome))
    return beyond(*values, design, rng, permutations, ends=False)


def holds_its_level(
    draw: Callable[[np.random.Generator], Drawn], studies: int, least: float = 1.0
) -> None:
    """No link: p of .05 or less in no more studies than an exact binomial of .05 allows (1 in 10,000).

    Seeds are 0, 1, ...; at least the share `least` is tested. Of the first ten, tables give the
    same p, and an interval that agrees with it.
    """
    found = []
    for s in range(studies):
        of = draw(np.random.default_rng(s))
        found.append(kernel(of, s, 99))
        if s < AGAIN:
            row = asked(of, s, 99)
            assert row["p"] == found[-1].p or np.isnan([row["p"], found[-1].p]).all()
            assert np.isfinite(row["p"]) != bool(row["reason"])
            assert np.isnan(row["p"]) or same_side(row)
    assert all(np.isfinite(one.p) != bool(one.reason) for one in found)
    p = np.array([one.p for one in found if np.isfinite(one.p)])
    assert len(p) >= least * studies
    wrong, most = np.sum(p <= 0.05), binom.ppf(1 - 1e-4, len(p), 0.05)
    assert wrong <= most, f"p of .05 or less in {wrong} of {len(p)} studies; at .05 {most:.0f}"
