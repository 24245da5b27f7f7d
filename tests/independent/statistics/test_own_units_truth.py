"""Arms and rescue fractions in the outcome's own unit: by hand, by scipy and by counting, never by the engine."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.outcomes.aggregate import COLUMNS
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.claims.typical import arm_table, median_interval, with_recovered
from periomics.statistics.kernels.contrasts import linear_form, p_two_sided, summarise
from periomics.study.dictionary import load_dictionary

CLAIMS = {
    "margin": {"kind": "raw", "value": 0.1},
    "contrasts": {
        "C0": {"weights": {"healthy": 1, "disease": -1}},
        "C2": {"weights": {"POST": 1, "disease": -1}},
    },
    "claims": [
        {"id": "C0", "kind": "gate", "contrast": "C0"},
        {"id": "C2", "kind": "superiority", "contrast": "C2", "after": ["C0"]},
        {"id": "half", "kind": "rescue", "arm": "POST", "threshold": 0.5, "correction": "holm"},
    ],
}
ROLES = {"healthy": "CTRL", "disease": "DRUG", "treated": ["POST"]}


@pytest.fixture(scope="module")
def dictionary(root):
    return load_dictionary(root / "resources/outcomes.tsv")


@pytest.fixture(scope="module")
def judged(dictionary):
    def of(values, blocks=False):
        """Tables of a study: outcome → arm → values; the i-th animal of an arm is of block i."""
        rows = [
            dict.fromkeys(COLUMNS, "")
            | {"animal_id": f"{arm}{i}", "outcome": o, "condition": arm, "value": float(y)}
            | {"dose": np.nan, "time": np.nan, "numerator": np.nan, "denominator": np.nan}
            | {"status": "measured", "unit": str(dictionary.at[o, "unit"])}
            for o, arms in values.items()
            for arm, ys in arms.items()
            for i, y in enumerate(ys)
        ]
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        sheet = table.drop_duplicates("animal_id")[["animal_id", "condition"]]
        sheet = sheet.rename(columns={"condition": "group"}).assign(unit="animal", block="")
        if blocks:
            sheet["block"] = "day" + sheet["animal_id"].str[-1]
        plan = read_plan(CLAIMS | {"domains": {o: o for o in values}}, ROLES)
        analysis = Analysis(plan, prepare(table, sheet, dictionary), dictionary)
        arms = arm_table(analysis).set_index(["outcome", "contrast", "arm"])
        return arms, with_recovered(verdict_table(analysis), analysis)

    return of


SHARES = {
    "CTRL": [6, 9, 7.5, 8, 5, 10],
    "DRUG": [30, 41, 25, 36, 45, 33],
    "POST": [14, 19, 11, 16, 22, 13],
}
DENSE = {
    "CTRL": [90, 101, 84, 95, 99, 88],
    "DRUG": [50, 62, 44, 57, 51, 60],
    "POST": [80, 70, 91, 77, 85, 66],
}


def test_shares_are_the_typical_animals_with_their_own_t_interval(judged):
    arms, _ = judged({"elac": SHARES})
    for arm, values in SHARES.items():
        row = arms.loc[("elac", "rescue POST", arm)]
        odds = [math.log(x / (100 - x)) for x in values]
        ends = stats.ttest_1samp(odds, 0).confidence_interval(0.95)
        wanted = [100 / (1 + math.exp(-x)) for x in (sum(odds) / 6, ends.low, ends.high)]
        assert list(row[["value", "lower", "upper"]].astype(float)) == pytest.approx(wanted)
        assert row["estimand"] == "typical animal" and row["n"] == 6
        assert row["sd"] == pytest.approx(np.std(odds, ddof=1))


def test_densities_are_geometric_means_and_blocks_in_balance_leave_them(judged):
    plain, _ = judged({"mvd": DENSE})
    blocked, _ = judged({"mvd": DENSE}, blocks=True)
    for arm, values in DENSE.items():
        for arms in (plain, blocked):
            row = arms.loc[("mvd", "rescue POST", arm)]
            assert row["value"] == pytest.approx(stats.gmean(values))
            assert row["estimand"] == "geometric mean"
            assert row["lower"] < row["value"] < row["upper"]


def test_arms_are_in_the_order_of_the_answer(judged):
    arms, _ = judged({"mvd": DENSE})
    names = arms.reset_index().groupby("contrast", sort=False)["arm"].agg(list)
    assert names.to_dict() == {
        "C0": ["CTRL", "DRUG"],
        "C2": ["POST", "DRUG"],
        "rescue POST": ["POST", "CTRL", "DRUG"],
    }


def test_zeros_make_it_an_arithmetic_mean_within_what_can_be(judged):
    arms, _ = judged({"elac": SHARES | {"CTRL": [0.0] * 6}})
    row = arms.loc[("elac", "C0", "CTRL")]
    # No event in 6: at most 1 - .05^(1/6) of animals, each at most the largest seen.
    assert row["value"] == row["lower"] == 0
    assert row["upper"] == pytest.approx((1 - 0.05 ** (1 / 6)) * 45)
    assert row["estimand"] == "arithmetic mean"
    assert arms.loc[("elac", "C0", "DRUG"), "value"] == pytest.approx(35)


def test_yes_or_no_is_a_share_of_animals_and_grades_a_median(judged):
    yes = {"CTRL": [0] * 6, "DRUG": [1] * 5 + [0], "POST": [1, 0, 0, 0, 0, 0]}
    grades = {
        "CTRL": [0, 0, 1, 0, 1, 0],
        "DRUG": [3, 4, 2, 4, 3, 4],
        "POST": [1, 2, 2, 1, 0, 3],
    }
    arms, _ = judged({"bone_exp": yes, "stage": grades})
    row = arms.loc[("bone_exp", "C0", "DRUG")]
    ends = stats.binomtest(5, 6).proportion_ci(0.95, method="exact")
    assert list(row[["value", "lower", "upper"]].astype(float)) == pytest.approx(
        [5 / 6, ends.low, ends.high]
    )
    row = arms.loc[("stage", "C0", "DRUG")]
    assert list(row[["value", "lower", "upper"]]) == [3.5, 2, 4]
    assert row["estimand"] == "median"


@pytest.mark.parametrize("n", [5, 6, 9, 12])
def test_interval_of_a_median_by_counting_every_way_values_can_fall(n):
    lower, upper = median_interval(np.arange(n), 0.95)
    share = {}
    for k in range(1, n // 2 + 1):
        # Each value falls below the median or not; the interval holds it unless fewer than k fall on one side.
        held = sum(k <= sum(below) <= n - k for below in itertools.product((0, 1), repeat=n))
        share[k] = held / 2**n
    fine = [k for k, s in share.items() if s >= 0.95]
    assert (lower, upper) == ((fine[-1] - 1, n - fine[-1]) if fine else (lower, upper))
    assert bool(fine) == (not np.isnan(lower)) == (n >= 6)


def position_at(R, values):
    """How far POST lies from R on logits, its standard error and degrees of freedom: delta method, Welch–Satterthwaite."""
    odds = {a: np.log(np.array(v) / (100 - np.array(v))) for a, v in values.items()}
    m = {a: 1 / (1 + math.exp(-x.mean())) for a, x in odds.items()}
    mix = R * m["CTRL"] + (1 - R) * m["DRUG"]
    lead = {
        "POST": 1.0,
        "CTRL": -R * m["CTRL"] * (1 - m["CTRL"]) / (mix * (1 - mix)),
        "DRUG": -(1 - R) * m["DRUG"] * (1 - m["DRUG"]) / (mix * (1 - mix)),
    }
    part = {a: lead[a] ** 2 * odds[a].var(ddof=1) / 6 for a in odds}
    df = sum(part.values()) ** 2 / sum(x**2 / 5 for x in part.values())
    return odds["POST"].mean() - math.log(mix / (1 - mix)), math.sqrt(sum(part.values())), df


def form_at(R, values, level):
    """How far outside the set at a level R lies; 0 at its ends."""
    size, se, df = position_at(R, values)
    return abs(size) - stats.t.ppf(0.5 + level / 2, df) * se


def test_rescue_fraction_at_the_level_of_its_verdict_by_hand(judged):
    _, verdicts = judged({"elac": SHARES, "mvd": DENSE})
    row = verdicts.set_index(["claim_id", "outcome"]).loc[("half", "elac")]
    typical = {
        a: 1 / (1 + math.exp(-np.mean([math.log(x / (100 - x)) for x in v])))
        for a, v in SHARES.items()
    }
    R = (typical["POST"] - typical["DRUG"]) / (typical["CTRL"] - typical["DRUG"])
    assert row["R"] == pytest.approx(R)
    # Two outcomes in the family: Holm gives one of them more than .05, and the set is at that level.
    assert row["level"] > 0.95 or verdicts.loc[verdicts["claim_id"] == "half", "level"].max() > 0.95
    assert form_at(row["R_lower"], SHARES, row["level"]) == pytest.approx(0, abs=1e-6)
    assert form_at(row["R_upper"], SHARES, row["level_refuted"]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_an_end_of_the_set_and_the_verdict_never_disagree(judged, seed):
    rng = np.random.default_rng(seed)
    centre = {"CTRL": -2.4, "DRUG": -0.6, "POST": rng.uniform(-2.4, -0.9)}
    drawn = {a: rng.normal(m, 0.5, (2, 6)) for a, m in centre.items()}
    shares = {a: 100 / (1 + np.exp(-x[0])) for a, x in drawn.items()}
    _, verdicts = judged({"elac": shares, "mvd": {a: np.exp(3 - x[1]) for a, x in drawn.items()}})
    for row in verdicts[verdicts["claim_id"] == "half"].to_dict("records"):
        if np.isnan(row["R_lower"]) or row["verdict"] not in (
            "supported",
            "refuted",
            "inconclusive",
        ):
            continue
        said = "inconclusive"
        said = "supported" if row["R_lower"] > 0.5 else said
        said = "refuted" if row["R_upper"] < 0.5 else said
        assert row["verdict"] == said


@pytest.mark.parametrize(
    ("n", "spread", "rate"),
    [
        (6, (0.3, 0.6), 0.071),
        (6, (0.3, 0.9), 0.129),
        (10, (0.3, 0.6), 0.090),
        (10, (0.3, 0.9), 0.197),
    ],
)
def test_equal_arithmetic_means_of_unequal_spread_exclude_1_as_often_as_docs_say(n, spread, rate):
    rng = np.random.default_rng(n)
    means = [0.0, (spread[0] ** 2 - spread[1] ** 2) / 2]  # of logarithms: exp(m + s²/2) is equal
    values = np.hstack([rng.normal(m, s, (20000, n)) for m, s in zip(means, spread, strict=True)])
    form = linear_form(summarise(values, np.repeat([0, 1], n), 2), [1, -1])
    assert (p_two_sided(form) < 0.05).mean() == pytest.approx(rate, abs=0.011)


def test_the_number_that_would_decide_a_rescue_by_hand(judged):
    """So narrow that the interval could not hold both the threshold and healthy."""
    values = SHARES | {"POST": [8, 36, 11, 24, 33, 11]}
    _, verdicts = judged({"elac": values})
    row = verdicts.set_index("claim_id").loc["half"]
    assert row["verdict"] == "inconclusive"
    # One that is as narrow already says so, and no number.
    near = judged({"elac": SHARES | {"POST": [12, 30, 11, 24, 28, 13]}})[1]
    near = near.set_index("claim_id").loc["half"]
    assert near["verdict"] == "inconclusive" and math.isnan(near["n_to_decide"])
    assert "narrower than what lies between the threshold and healthy already" in near["reason"]
    _, se, df = position_at(0.5, values)
    odds = {a: np.mean([math.log(x / (100 - x)) for x in v]) for a, v in values.items()}
    m = {a: 1 / (1 + math.exp(-x)) for a, x in odds.items()}
    middle = (m["CTRL"] + m["DRUG"]) / 2
    size = math.log(middle / (1 - middle)) - odds["CTRL"]
    assert row["n_to_decide"] == math.ceil(6 * (2 * stats.t.ppf(0.975, df) * se / size) ** 2)
    assert "between the threshold and healthy" in row["reason"]


def test_the_number_that_would_decide_yes_or_no(judged):
    """Margin .1 of animals: the interval of 4 of 6 against 3 of 6 narrows with the root of the number."""
    answers = {"CTRL": [0] * 6, "DRUG": [1] * 4 + [0] * 2, "POST": [1] * 3 + [0] * 3}
    _, verdicts = judged({"bone_exp": answers})
    row = verdicts.set_index("claim_id").loc["C2"]
    assert row["verdict"] == "inconclusive"
    width = row["upper"] - row["lower"]
    assert width > 0.8 and row["n_to_decide"] == math.ceil(6 * (width / 0.1) ** 2)
