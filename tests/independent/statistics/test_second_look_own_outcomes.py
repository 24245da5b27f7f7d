"""Outcomes that a study adds itself, with odd values: each answer by scipy on the values that may
count."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.outcomes.aggregate import COLUMNS
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.estimates import contrast_table
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.study.dictionary import load_dictionary

OWN = """outcome\tunit\tscale\tbenefit\tkind\tleast\tmost
wobble\tum\tlog\t-\t\t\t
tone\t1\tidentity\t+\t\t-10\t10
cover\t%\tlogit\t+\t\t\t80
loose\t1\tidentity\t-\tbinary\t\t
swelling\t1\tidentity\t-\tordinal\t0\t3
"""


@pytest.fixture(scope="module")
def answers(root, tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "outcomes.tsv"
    path.write_text(OWN, encoding="utf-8")
    dictionary = load_dictionary([root / "resources/outcomes.tsv", path])

    def of(outcome, new, old):
        rows = []
        for arm, ys in (("new", new), ("old", old)):
            rows += [
                dict.fromkeys(COLUMNS, "")
                | {"animal_id": f"{arm}{i}", "outcome": outcome, "condition": arm, "value": y}
                | {"time": np.nan, "dose": np.nan, "status": "measured"}
                | {"numerator": np.nan, "denominator": np.nan}
                | {"unit": str(dictionary.at[outcome, "unit"])}
                for i, y in enumerate(ys)
            ]
        sheet = pd.DataFrame({"animal_id": [r["animal_id"] for r in rows], "unit": "animal"})
        sheet["group"], sheet["block"] = [r["condition"] for r in rows], ""
        claim = {"id": "A", "kind": "superiority", "contrast": "C", "outcomes": [outcome]}
        plan = read_plan(
            {"contrasts": {"C": {"weights": {"new": 1, "old": -1}}}, "claims": [claim]}
        )
        known = Analysis(plan, prepare(pd.DataFrame(rows), sheet, dictionary), dictionary)
        table = contrast_table(known, 1)
        found = table[table["kind"] == "confirmatory"]
        return verdict_table(known).iloc[0], found.iloc[0] if len(found) else None

    return of


def welch(new, old):
    found = stats.ttest_ind(new, old, equal_var=False)
    return (
        float(np.mean(new) - np.mean(old)),
        float(found.pvalue),
        *found.confidence_interval(0.95),
    )


def test_a_size_is_compared_by_logarithms_and_less_is_better(answers):
    new, old = [3.0, 3.0, 5.0, 2.0], [9.0, 14.0, 9.0, 30.0, 21.0, 12.0]
    verdict, row = answers("wobble", new, old)
    want = welch(np.log(new), np.log(old))
    assert tuple(row[["estimate", "p", "lower", "upper"]]) == pytest.approx(want)
    assert verdict["verdict"] == "supported" and verdict["estimate"] == pytest.approx(-want[0])
    assert row["ratio"] == pytest.approx(np.exp(want[0]))


def test_a_value_outside_its_own_range_costs_its_animal(answers):
    new, old = [4.0, 6.0, 6.0, 9.0, 10.0, 11.0], [-2.0, 0.0, 1.0, 1.0, -10.0]
    verdict, row = answers("tone", new, old)
    want = welch(new[:5], old)
    assert tuple(row[["estimate", "p", "lower", "upper"]]) == pytest.approx(want)
    assert row["n_animals"] == 10 and "new5 (11" in row["reason"] and verdict["n_animals"] == 10


def test_a_share_may_reach_its_own_end_but_not_that_of_its_scale(answers):
    new, old = [80.0, 70.0, 75.0, 61.0], [20.0, 30.0, 30.0]
    _, row = answers("cover", new, old)
    logit = [[np.log(y / (100 - y)) for y in ys] for ys in (new, old)]
    assert tuple(row[["estimate", "p", "lower", "upper"]]) == pytest.approx(welch(*logit))
    _, row = answers("cover", [*new, 81.0], old)
    assert row["n_animals"] == 7 and "new4 (81" in row["reason"]


def test_a_size_with_a_zero_is_compared_by_means_with_the_skewed_end_farther(answers):
    new, old = [0.0, 0.0, 4.0, 2.0, 1.0], [9.0, 14.0, 9.0, 30.0, 21.0]
    _, row = answers("wobble", new, old)
    estimate, _, lower, upper = welch(new, old)
    assert row["estimate"] == pytest.approx(estimate) and row["upper"] == pytest.approx(upper)
    # The larger skewness of a gamma variable, twice SD over mean, and of a log-normal one with as
    # many zeros; the mean has a root of n less.
    v = np.array([np.var(y, ddof=1) / 5 for y in (new, old)])
    gamma = [2 * np.std(y, ddof=1) / np.mean(y) for y in (new, old)]
    logs = [np.log([x for x in y if x]) for y in (new, old)]
    spread = (sum(((x - x.mean()) ** 2).sum() for x in logs) / (3 + 5 - 2)) ** 0.5
    some = [stats.lognorm(spread).moment(k) * np.array([0.6, 1]) for k in (1, 2, 3)]
    third = some[2] - 3 * some[0] * some[1] + 2 * some[0] ** 3
    g = np.fmax(gamma, third / (some[1] - some[0] ** 2) ** 1.5) / 5**0.5
    skew = 3 / 8 * float((np.array([1, -1]) * (v / v.sum()) ** 1.5 * g).sum())
    t = (estimate - lower) / v.sum() ** 0.5
    assert row["lower"] == pytest.approx(estimate - v.sum() ** 0.5 * t * (1 - skew * t))
    assert row["skew"] == pytest.approx(skew) and skew < 0


@pytest.mark.parametrize("new", [[3.0], [3.0, 4.0]])
def test_too_few_animals_have_no_answer(answers, new):
    verdict, row = answers("wobble", new, [9.0, 14.0, 9.0])
    assert verdict["verdict"] == "not judged" and np.isnan(row["p"])
    assert f"new ({len(new)})" in row["reason"]


def test_a_missing_arm_and_equal_values_say_so(answers):
    verdict, row = answers("wobble", [], [9.0, 14.0, 9.0])
    assert verdict["verdict"] == "not judged" and "new" in verdict["reason"] and row is None
    verdict, row = answers("tone", [2.0] * 4, [2.0] * 5)
    assert verdict["verdict"] == "not judged" and "same value" in row["reason"]
    verdict, row = answers("tone", [2.0] * 4, [1.0] * 5)
    assert verdict["verdict"] == "not judged" and "do not vary within" in row["reason"]


def test_yes_or_no_and_grades_of_ones_own(answers):
    verdict, row = answers("loose", [0.0] * 7, [1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    assert row["estimate"] == pytest.approx(-5 / 6) and verdict["estimate"] == pytest.approx(5 / 6)
    peer = stats.barnard_exact([[0, 5], [7, 1]], pooled=True)
    assert row["p"] == pytest.approx(peer.pvalue, rel=0.15) and verdict["verdict"] == "supported"
    new, old = [0.0, 1.0, 1.0, 0.0], [2.0, 1.0, 3.0, 3.0, 2.0]
    _, row = answers("swelling", new, old)
    higher = np.mean([(a > b) + (a == b) / 2 for a in new for b in old])
    assert row["estimate"] == pytest.approx(higher - 0.5)


def test_sizes_with_zeros_that_vary_too_much_are_not_judged(answers):
    """SD of logarithms within arms: .5 log 4 and .5 log 100, seven values."""
    new, old = [0.0, 2.0, 8.0, 4.0], [1.0, 100.0, 10.0, 10.0]
    verdict, row = answers("wobble", new, old)
    spread = (((np.log(4) ** 2) / 2 + (np.log(100) ** 2) / 2) / 5) ** 0.5
    assert f"SD of {spread:.2g} on the logarithm" in verdict["reason"]
    assert verdict["verdict"] == "not judged" and np.isnan(row["p"])
    tame, row = answers("wobble", [0.0, 2.0, 3.0, 2.5], [9.0, 12.0, 11.0, 10.0])
    assert tame["verdict"] != "not judged" and "skewness" in row["method"]
