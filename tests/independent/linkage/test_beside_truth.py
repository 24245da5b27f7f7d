"""What stands beside an association, refitted with statsmodels, and its null where a hidden factor drives both."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from independent.linkage.drawn import DICTIONARY, OUTCOME, SCORE, ask, rows, sheet
from scipy.stats import binom

from periomics.linkage.pairs import associate
from periomics.linkage.robustness import beyond_covariates, covariate_table

SIZES = (4, 6, 8, 6)
ARM = np.repeat(["a", "b", "c", "d"], SIZES)
IDS = [f"R{i:02d}" for i in range(len(ARM))]
NO_VALUES = pd.DataFrame(columns=["outcome", "animal_id", "scaled"])


def study(rng, factor=0.0, link=0.0):
    """Arms of unequal sizes, three days of surgery, a weight that shows the hidden factor."""
    hidden = rng.normal(size=len(ARM))
    shift = np.repeat([0.0, 2.0, 1.0, -1.0], SIZES)
    x = shift + factor * hidden + rng.normal(size=len(ARM))
    y = -shift + factor * hidden + link * x + rng.normal(size=len(ARM))
    animals = pd.DataFrame(
        {
            "group": ARM,
            "block": np.resize(["1", "2", "3"], len(ARM)),
            "weight_g": 300 + 20 * hidden,
            "age": rng.normal(size=len(ARM)),
        },
        index=pd.Index(IDS, name="animal_id"),
    )
    both = pd.DataFrame(
        {"animal_id": IDS, "score": x, "outcome": y, "condition": "", "dose": np.nan}
    )
    return both, animals


def left(v, animals, *covariates):
    design = pd.get_dummies(animals[["group", "block"]], dtype=float, drop_first=True)
    design = design.assign(one=1.0)
    for c in covariates:
        design[len(design.columns)] = (c - np.mean(c)) / np.std(c)
    return sm.OLS(np.asarray(v), design.to_numpy()).fit().resid


def partial(both, animals, *covariates):
    return np.corrcoef(*(left(both[c], animals, *covariates) for c in ("score", "outcome")))[0, 1]


def adjusted(both, animals, names, n=199, seed=0):
    table = covariate_table(names, NO_VALUES, animals)
    return beyond_covariates(both, animals, table, np.random.default_rng(seed), n)


def asked(both, animals, covariates=(), n=199):
    """The row of the pair, as a run makes it."""
    parts = [rows(SCORE, IDS, both["score"]), rows(OUTCOME, IDS, both["outcome"])]
    found = associate(
        pd.concat(parts, ignore_index=True),
        animals,
        [{"score": SCORE, "outcome": OUTCOME, "units": "animal"}],
        dictionary=DICTIONARY,
        assay_genes={},
        set_genes={},
        seed=1,
        n_permutations=n,
        covariates=covariates,
    )
    return found.iloc[0]


def test_partial_correlations_and_units_of_a_covariate():
    both, animals = study(np.random.default_rng(1), 1.0, 0.5)
    for names in (("weight_g",), ("weight_g", "age")):
        truth = partial(both, animals, *(animals[n] for n in names))
        assert adjusted(both, animals, names)["r_covariates"] == pytest.approx(truth, abs=1e-9)
    base = adjusted(both, animals, ("weight_g",))
    for scale, offset in ((1e-9, 0), (1e9, 0), (-1, 0), (1, 1e6)):
        other = animals.assign(weight_g=animals["weight_g"] * scale + offset)
        found = adjusted(both, other, ("weight_g",))
        assert found["r_covariates"] == pytest.approx(base["r_covariates"], abs=1e-6)
        assert found["p_covariates"] == pytest.approx(base["p_covariates"], abs=0.011)


def test_covariates_that_say_nothing_change_nothing():
    both, animals = study(np.random.default_rng(2), 0.5, 0.5)
    plain = partial(both, animals)
    of_arm = animals["group"].map({"a": 1.0, "b": 5.0, "c": 2.0, "d": 9.1})
    of_block = animals["block"].astype(float) * 0.1
    for value in (0.1, 300.0, of_arm, of_arm + of_block):
        found = adjusted(both, animals.assign(weight_g=value), ("weight_g",))
        assert found["r_covariates"] == pytest.approx(plain, abs=1e-8)
    twice = adjusted(both, animals.assign(again=animals["weight_g"] / 7), ("weight_g", "again"))
    truth = partial(both, animals, animals["weight_g"])
    assert twice["r_covariates"] == pytest.approx(truth, abs=1e-8)


def test_a_covariate_that_is_not_known_of_all_gives_no_number():
    both, animals = study(np.random.default_rng(3), 1.0)
    animals.loc["R03", "weight_g"] = np.nan
    found = adjusted(both, animals, ("weight_g",))
    assert "p_covariates" not in found and "R03" in found["covariates"]
    # Of an animal that the pair lacks nothing need be known.
    fewer = both[both["animal_id"] != "R03"].reset_index(drop=True)
    own = animals.drop("R03")
    truth = partial(fewer, own, own["weight_g"])
    assert adjusted(fewer, animals, ("weight_g",))["r_covariates"] == pytest.approx(truth, abs=1e-9)


def test_a_covariate_in_words_is_taken_out_by_its_values():
    both, animals = study(np.random.default_rng(4), 1.0)
    sex = np.resize(["F", "M", "M", "F", "F"], len(ARM))
    found = adjusted(both, animals.assign(sex=sex), ("sex",))
    truth = partial(both, animals, (sex == "M").astype(float))
    assert found["r_covariates"] == pytest.approx(truth, abs=1e-9)
    grade = np.resize(["mild", "none", "severe", "mild", "none", "none", "severe"], len(ARM))
    found = adjusted(both, animals.assign(grade=grade, sex=sex), ("grade", "sex"))
    truth = partial(both, animals, *((grade == g) * 1.0 for g in ("none", "severe")), sex == "M")
    assert found["r_covariates"] == pytest.approx(truth, abs=1e-9)
    for untold in ("", "unknown"):
        gap = adjusted(both, animals.assign(sex=[untold, *sex[1:]]), ("sex",))
        assert "p_covariates" not in gap and "R00" in gap["covariates"]
    males = adjusted(both, animals.assign(sex="M"), ("sex",))
    assert males["r_covariates"] == pytest.approx(partial(both, animals), abs=1e-9)


def test_one_unit_left_out_is_a_fit_without_it():
    for seed in range(4):
        both, animals = study(np.random.default_rng(seed), 0.5, 0.3)
        found = []
        for i in range(len(both)):
            kept = np.arange(len(both)) != i
            found.append(partial(both[kept], animals[kept]))
        row = asked(both, animals, n=99)
        assert (row["r_least"], row["r_most"]) == (
            pytest.approx(min(found), abs=1e-9),
            pytest.approx(max(found), abs=1e-9),
        )


def test_the_own_score_as_a_covariate_is_left_out_and_another_outcome_counts():
    both, animals = study(np.random.default_rng(5), 1.0)
    row = asked(both, animals, (SCORE,))
    assert row["covariates"] == "" and np.isnan(row["p_covariates"])
    row = asked(both, animals, ("weight_g", OUTCOME))
    assert row["covariates"] == "weight_g"


def test_another_dose_is_no_pair_and_one_of_several_conditions_is_told():
    both, animals = study(np.random.default_rng(8), 1.0)
    pair = [{"score": SCORE, "outcome": OUTCOME, "units": "animal"}]
    fixed = {"dictionary": DICTIONARY, "assay_genes": {}, "set_genes": {}, "seed": 1}

    def found(*parts):
        table = pd.concat(parts, ignore_index=True)
        return associate(table, animals, pair, **fixed, n_permutations=99).iloc[0]

    def of(name, column, **more):
        return rows(name, IDS, both[column], **more)

    other = found(of(SCORE, "score", dose=10.0), of(OUTCOME, "outcome", dose=50.0))
    assert np.isnan(other["p"]) and other["n"] == 0 and "dose" in other["reason"]
    same = found(of(SCORE, "score", dose=10.0), of(OUTCOME, "outcome", dose=10.0))
    untold = found(of(SCORE, "score"), of(OUTCOME, "outcome", dose=10.0))
    assert same["n"] == untold["n"] == len(IDS) and same["reason"] == ""
    several = [
        of(n, c, condition=k) for n, c in ((SCORE, "score"), (OUTCOME, "outcome")) for k in "xz"
    ]
    assert "first is taken: x" in found(*several)["reason"]


def rate(p):
    p = np.asarray(p)
    return (p <= 0.05).mean(), binom.ppf(0.999, len(p), 0.05) / len(p)


def test_a_hidden_factor_that_weight_shows_is_no_link_beyond_it():
    """Arms of 4, 6, 8 and 6 animals in three blocks; without the covariate the factor is taken for a link."""
    rng = np.random.default_rng(6)
    beyond, plain = [], 0
    for i in range(250):
        both, animals = study(rng, 1.5)
        beyond.append(adjusted(both, animals, ("weight_g",), seed=i)["p_covariates"])
        plain += abs(partial(both, animals)) > 0.5
    found, most = rate(beyond)
    assert found <= most and plain > 100


@pytest.mark.slow
@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_the_same_with_another_covariate_and_an_arm_that_varies_more(spread):
    rng = np.random.default_rng(7)
    p = []
    for i in range(500):
        both, animals = study(rng, 1.5)
        noise = np.where(ARM == "a", spread, 1.0)
        hidden = (animals["weight_g"].to_numpy() - 300) / 20
        for c in ("score", "outcome"):
            both[c] = 1.5 * hidden + noise * rng.normal(size=len(ARM))
        told = adjusted(both, animals, ("weight_g", "age"), seed=i)
        # Without a test there is a reason, told from score and design: no call.
        assert "p_covariates" in told or "degrees of freedom" in told["covariates"]
        p.append(told.get("p_covariates", 1.0))
    found, most = rate(p)
    assert found <= most and np.mean(np.array(p) < 1) > 0.95


@pytest.mark.parametrize(("n", "tested"), [(14, True), (6, False)])
def test_an_outcome_of_one_arm_only_is_tested_within_it_or_said_to_be_of_too_few(n, tested):
    rng = np.random.default_rng(n)
    names = [f"a{i:02d}" for i in range(2 * n)]
    score, outcome = rng.normal(size=2 * n), rng.normal(size=n)
    animals = sheet(names, ["A"] * n + ["B"] * n)
    row = ask([rows(SCORE, names, score), rows(OUTCOME, names[:n], outcome)], animals)
    assert row["n"] == n
    assert row["r"] == pytest.approx(np.corrcoef(score[:n], outcome)[0, 1])
    assert np.isfinite(row["p"]) == tested
    assert ("no test below 12 animals" in row["reason"]) != tested


def test_scores_that_are_all_one_value_have_no_number_and_a_reason():
    names = [f"a{i:02d}" for i in range(16)]
    animals = sheet(names, ["A", "B"] * 8)
    outcome = rows(OUTCOME, names, np.random.default_rng(0).normal(size=16))
    row = ask([rows(SCORE, names, [1.5] * 16), outcome], animals)
    assert np.isnan([row["r"], row["p"], row["p_adj"], row["lower"]]).all()
    assert "does not vary beyond arm" in row["reason"]
