"""What goes with one SD of a score, in the outcome's own unit: by least squares with dummies, and
how often its ends hold."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.linkage.association import beyond
from periomics.linkage.pairs import associate
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.associated import association_rows
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.kernels.exchange import of_animals
from periomics.study.dictionary import load_dictionary

ARMS = np.repeat(list("ABCD"), 6)
SCORE = "score:response:vegf"


def least_squares(x, y):
    """Slope of y on x with a level for each arm, and the SD of x within arms."""
    levels = (ARMS[:, None] == np.unique(ARMS)).astype(float)
    slope = np.linalg.lstsq(np.column_stack([x, levels]), y, rcond=None)[0][0]
    left = x - levels @ np.linalg.lstsq(levels, x, rcond=None)[0]
    return slope, float(np.sqrt((left**2).sum() / (len(x) - 4)))


@pytest.mark.parametrize(
    ("outcome", "unit", "back", "said"),
    [("mvd", "1/mm2", np.exp, "ratio"), ("bvtv", "%", lambda z: 100 / (1 + np.exp(-z)), "odds")],
)
def test_ratios_of_densities_and_of_odds(root, outcome, unit, back, said):
    rng = np.random.default_rng(4)
    x = rng.standard_normal(24) + np.repeat([0, 1, 2, 3], 6)
    y = 0.4 * x + 0.2 * rng.standard_normal(24) - np.repeat([0, 2, 1, 1], 6)
    base = {"condition": "", "dose": np.nan, "time": np.nan, "variant": "", "status": "measured"}
    names = [f"R{i}" for i in range(24)]
    rows = [
        base | {"animal_id": a, "outcome": SCORE, "value": v, "unit": "a.u."}
        for a, v in zip(names, x, strict=True)
    ]
    rows += [
        base | {"animal_id": a, "outcome": outcome, "value": back(v), "unit": unit}
        for a, v in zip(names, y, strict=True)
    ]
    dictionary = load_dictionary(root / "resources/outcomes.tsv")
    found = associate(
        pd.DataFrame(rows),
        pd.DataFrame({"group": ARMS}, index=names),
        [{"score": SCORE, "outcome": outcome}],
        dictionary=dictionary,
        assay_genes={},
        set_genes={},
        seed=1,
        n_permutations=499,
    )
    row = found.iloc[0]
    slope, sd = least_squares(x, y)
    assert row["per_sd"] == pytest.approx(np.exp(slope * sd)) and said in row["per_sd_unit"]
    assert 1 < row["per_sd_lower"] < row["per_sd"] < row["per_sd_upper"]
    claim = {"id": "A", "kind": "association", "score": SCORE, "outcomes": [outcome]}
    plan = read_plan({"claims": [claim]})
    known = Analysis(plan, pd.DataFrame(), dictionary)
    verdict = association_rows(known, plan.claims[0], found)[0]
    assert f"{said} of {row['per_sd']:.3g} ({row['per_sd_lower']:.3g} to" in verdict["reason"]


def test_its_ends_hold_the_slope_as_often_as_promised():
    rng, held, agree = np.random.default_rng(5), 0, 0
    for i in range(80):
        x = rng.standard_normal(24) * np.repeat([1, 1, 2, 1], 6)
        y = 0.5 * x + rng.standard_normal(24) + np.repeat([0, 3, 1, 2], 6)
        found = beyond(x, y, of_animals(ARMS), np.random.default_rng(i), 199)
        _, sd = least_squares(x, y)
        held += found.per_sd_lower <= 0.5 * sd <= found.per_sd_upper
        agree += (found.p <= 0.05) == (not found.per_sd_lower <= 0 <= found.per_sd_upper)
    assert stats.binomtest(held, 80, 0.95).pvalue > 0.001 and agree == 80
