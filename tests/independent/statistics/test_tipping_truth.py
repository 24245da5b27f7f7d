"""How far missing animals lie when a claim falls, by Welch's test on hand-made lists."""

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from periomics.outcomes.aggregate import COLUMNS
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.claims.tipping import with_tipping
from periomics.study.dictionary import load_dictionary

DICTIONARY = load_dictionary("resources/outcomes.tsv")
TREATED = np.array([88.0, 96.0, 104.0, 91.0, 110.0])
PLAIN = np.array([55.0, 61.0, 70.0, 58.0, 66.0, 52.0])


def plan(kind="superiority", **more):
    claim = {"id": "A", "kind": kind, "contrast": "C", "outcomes": ["mvd"]} | more
    contrasts = {"C": {"weights": {"cells": 1, "none": -1}}}
    return read_plan({"contrasts": contrasts, "claims": [claim]})


def study(treated=TREATED, plain=PLAIN, absent=1):
    base = dict.fromkeys(COLUMNS, "") | {
        "outcome": "mvd",
        "time": 28.0,
        "time_unit": "d",
        "status": "measured",
        "unit": "1/mm2",
        "dose": np.nan,
        "numerator": np.nan,
        "denominator": np.nan,
    }
    names = {f"c{i}": ("cells", y) for i, y in enumerate(treated)}
    names |= {f"n{i}": ("none", y) for i, y in enumerate(plain)}
    rows = [base | {"animal_id": k, "condition": a, "value": y} for k, (a, y) in names.items()]
    groups = {k: a for k, (a, _) in names.items()} | {f"x{i}": "cells" for i in range(absent)}
    sheet = pd.DataFrame({"animal_id": list(groups), "group": list(groups.values())})
    return pd.DataFrame(rows), sheet.assign(unit="animal", block="")


def tipped(the_plan, table, sheet):
    known = Analysis(the_plan, prepare(table, sheet, DICTIONARY), DICTIONARY)
    return with_tipping(verdict_table(known), known, sheet).iloc[0]


def least(absent, against=1):
    """First distance on a fine grid at which Welch's test of the logarithms no longer gives p ≤ .05 in favour."""
    x, y = np.log(TREATED), np.log(PLAIN)
    places = stats.norm.ppf((np.arange(absent) + 0.5) / absent) * x.std(ddof=1)
    for distance in np.arange(0, 5, 0.002):
        z = np.concatenate([x, x.mean() - against * distance * x.std(ddof=1) + places])
        found = stats.ttest_ind(z, y, equal_var=False)
        if found.pvalue > 0.05 or found.statistic < 0:
            return distance
    return np.nan


@pytest.mark.parametrize("absent", [1, 3])
def test_the_distance_is_that_of_welchs_test(absent):
    found = tipped(plan(), *study(absent=absent))
    assert found["verdict"] == "supported" and found["n_missing"] == absent
    truth = least(absent)
    if np.isnan(truth):
        assert np.isnan(found["tipping_sd"]) and "up to 5 SD" in found["reason"]
    else:
        assert found["tipping_sd"] == pytest.approx(truth, abs=0.1)
        assert f"{found['tipping_sd']:.1f} SD or more against it" in found["reason"]


def test_nothing_is_said_where_nothing_is_missing_or_nothing_is_supported():
    assert np.isnan(tipped(plan(), *study(absent=0))["n_missing"])
    worse = tipped(plan(), *study(treated=PLAIN[:5] + 1))
    assert worse["verdict"] != "supported" and np.isnan(worse["n_missing"])


def test_an_outcome_that_most_of_an_arm_lack_was_not_meant_for_all():
    assert np.isnan(tipped(plan(), *study(absent=6))["n_missing"])


def test_a_claim_of_no_benefit_falls_when_the_missing_fare_well():
    margin = {"kind": "raw", "value": 40.0}
    same = np.array([60.0, 57.0, 63.0, 66.0, 55.0])
    found = tipped(plan("non_superiority", margin=margin), *study(treated=same))
    assert found["verdict"] == "supported"
    spread = np.log(same).std(ddof=1)
    for distance in (found["tipping_sd"] - 0.1, found["tipping_sd"]):
        more = np.append(same, np.exp(np.log(same).mean() + distance * spread))
        upper = stats.ttest_ind(more, PLAIN, equal_var=False).confidence_interval(0.9).high
        assert (upper < 40) == (distance < found["tipping_sd"])


def test_shares_fall_by_their_percent():
    margin, same = {"kind": "raw", "value": 8.0}, np.array([60.0, 57.0, 63.0, 66.0, 55.0])
    plain = np.array([58.0, 61.0, 54.0, 63.0, 57.0, 60.0])
    table, sheet = study(treated=same, plain=plain)
    table = table.assign(outcome="ln332", unit="%")
    found = tipped(plan("non_superiority", margin=margin, outcomes=["ln332"]), table, sheet)
    assert found["verdict"] == "supported" and np.isfinite(found["tipping_sd"])
    places = special.logit(same / 100)
    for distance in (found["tipping_sd"] - 0.1, found["tipping_sd"]):
        new = 100 * special.expit(places.mean() + distance * places.std(ddof=1))
        test = stats.ttest_ind(np.append(same, new), plain, equal_var=False)
        assert (test.confidence_interval(0.9).high < 8) == (distance < found["tipping_sd"])


def test_with_zeros_the_missing_lie_by_means_and_never_below_nothing():
    # An outcome with zeros is compared by arithmetic means: the distance is Welch's on the values themselves.
    low = np.array([0.0, 4.0, 9.0, 0.0, 6.0, 3.0])
    found = tipped(plan(), *study(plain=low, absent=2))
    assert found["verdict"] == "supported" and found["n_missing"] == 2
    places = stats.norm.ppf([0.25, 0.75]) * TREATED.std(ddof=1)
    for distance in np.arange(0, 5, 0.002):
        new = TREATED.mean() - distance * TREATED.std(ddof=1) + places
        test = stats.ttest_ind(np.append(TREATED, np.maximum(new, 0)), low, equal_var=False)
        if test.pvalue > 0.05:
            assert found["tipping_sd"] == pytest.approx(distance, abs=0.1)
            break
    else:
        assert np.isnan(found["tipping_sd"]) and "up to 5 SD" in found["reason"]
