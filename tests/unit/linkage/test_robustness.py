"""What stands beside an association: covariates, one unit left out, arms."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from periomics.linkage.robustness import beyond_covariates, by_arm, covariate_table, without_one
from periomics.statistics.kernels.exchange import of_animals, of_units

ARM = np.repeat(list("ABCD"), 6)
IDS = [f"R{i:02d}" for i in range(24)]


def study(rng, severity=0.0):
    """Animals whose score and outcome share nothing but arms and, where asked, a hidden factor that weight shows."""
    factor = rng.normal(size=24)
    shift = np.repeat([0.0, 1.0, 2.0, 3.0], 6)
    x, y = (shift + severity * factor + rng.normal(size=24) for _ in range(2))
    animals = pd.DataFrame(
        {"group": ARM, "block": np.tile(list("123"), 8), "weight_g": factor * 10 + 300}, index=IDS
    )
    both = pd.DataFrame(
        {"animal_id": IDS, "score": x, "outcome": y, "condition": "", "dose": np.nan}
    )
    return both, animals


def adjusted(both, animals, names=("weight_g",), seed=0, n=199):
    table = covariate_table(
        names, pd.DataFrame(columns=["outcome", "animal_id", "scaled"]), animals
    )
    return beyond_covariates(both, animals, table, np.random.default_rng(seed), n)


def test_the_estimate_is_the_partial_correlation_of_least_squares():
    both, animals = study(np.random.default_rng(1), 2.0)
    design = pd.get_dummies(animals[["group", "block"]], dtype=float).assign(w=animals["weight_g"])
    left = [sm.OLS(both[c].to_numpy(), design.to_numpy()).fit().resid for c in ("score", "outcome")]
    found = adjusted(both, animals)
    assert found["r_covariates"] == pytest.approx(np.corrcoef(*left)[0, 1], abs=1e-9)
    assert found["covariates"] == "weight_g"


def test_a_hidden_factor_that_a_covariate_shows_is_no_link_beyond_it():
    rng = np.random.default_rng(2)
    hits, r = 0, []
    for i in range(150):
        found = adjusted(*study(rng, 3.0), seed=i)
        hits += found["p_covariates"] <= 0.05
        r.append(found["r_covariates"])
    assert hits <= 15 and abs(np.mean(r)) < 0.06


def test_animals_without_the_covariate_are_told():
    both, animals = study(np.random.default_rng(3))
    animals.loc["R05", "weight_g"] = np.nan
    assert adjusted(both, animals)["covariates"] == "weight_g: not known of 1 animals (R05)"
    assert adjusted(both, animals, ["nothing"])["covariates"].startswith("nothing: not known of 24")
    assert adjusted(both, animals, ())["covariates"] == ""


def test_one_unit_left_out_equals_the_computation_without_it():
    both, animals = study(np.random.default_rng(4))
    x, y = both["score"].to_numpy(), both["outcome"].to_numpy()
    block = animals["block"].to_numpy(str)
    found = []
    for i in range(24):
        keep = np.arange(24) != i
        fixed = of_animals(ARM[keep], block[keep]).fixed
        found.append(np.corrcoef(fixed @ x[keep], fixed @ y[keep])[0, 1])
    got = without_one(x, y, of_animals(ARM, block))
    assert got == pytest.approx((min(found), max(found)), abs=1e-9)


def test_whole_isolations_are_left_out():
    rng = np.random.default_rng(5)
    unit, condition = np.repeat(list("abcde"), 3), np.tile(list("xyz"), 5)
    x, y = rng.normal(size=15), rng.normal(size=15)
    found = []
    for name in "abcde":
        keep = unit != name
        fixed = of_units(unit[keep], condition[keep]).fixed
        found.append(np.corrcoef(fixed @ x[keep], fixed @ y[keep])[0, 1])
    got = without_one(x, y, of_units(unit, condition))
    assert got == pytest.approx((min(found), max(found)), abs=1e-9)


def test_an_association_of_one_animal_shows():
    x, y = np.random.default_rng(6).normal(size=(2, 24))
    x[3], y[3] = 40.0, 40.0
    least, most = without_one(x, y, of_animals(ARM))
    assert most > 0.9 and least < 0.5


def test_arms_are_shown_apart_and_small_ones_are_not():
    x = np.tile(np.arange(6.0), 4)
    y = np.concatenate([x[:6], -x[:6], np.zeros(6), x[:6]])
    text = by_arm(x, y, of_animals(ARM), ARM)
    assert text == "A 1.00, B -1.00, C –, D 1.00"
    few = np.array([*"AAAAA", *"BBB"])
    assert by_arm(x[:8], y[:8], of_animals(few), few).endswith("B –")
