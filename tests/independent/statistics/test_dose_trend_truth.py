"""Slopes over the dose between animals, and arms of readings, by least squares on plain lists."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.core.errors import InputError
from periomics.outcomes.adapters import clinical_rows, reading_rows
from periomics.outcomes.aggregate import COLUMNS
from periomics.outcomes.collect import join_design, specimen_table
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.estimates import contrast_table
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.claims.typical import arm_table
from periomics.study.dictionary import load_dictionary
from periomics.study.measurements import tidy
from periomics.study.sheets import read_sheet

DICTIONARY = load_dictionary("resources/outcomes.tsv")
# Cells in millions; the animals without cells state no dose.
GIVEN = {np.nan: [51, 60, 57, 49], 1: [63, 70, 58, 66], 2: [70, 81, 74, 69, 77], 4: [92, 85, 99]}


def plan(kind="dose_trend", **more):
    contrast = {"weights": {"cells": 1, "none": -1}, "trend": "dose"}
    claim = {"id": "A", "kind": kind, "contrast": "C", "outcomes": ["mvd"]} | more
    return read_plan({"contrasts": {"C": contrast}, "claims": [claim]})


def analysis(given=GIVEN, the_plan=None):
    base = dict.fromkeys(COLUMNS, "") | {
        "outcome": "mvd",
        "time": 28.0,
        "time_unit": "d",
        "status": "measured",
        "unit": "1/mm2",
        "numerator": np.nan,
        "denominator": np.nan,
    }
    rows, groups = [], {}
    for dose, values in given.items():
        arm = "none" if np.isnan(dose) else "cells"
        for value in values:
            name = f"a{len(rows)}"
            groups[name] = arm
            rows.append(base | {"animal_id": name, "condition": arm, "dose": dose, "value": value})
    sheet = pd.DataFrame({"animal_id": list(groups), "group": list(groups.values())})
    table = prepare(pd.DataFrame(rows), sheet.assign(unit="animal", block=""), DICTIONARY)
    return Analysis(the_plan or plan(), table, DICTIONARY)


def flat(given=GIVEN):
    x = [np.log2((0 if np.isnan(d) else d) + 1) for d, ys in given.items() for _ in ys]
    return np.array(x), np.log([y for ys in given.values() for y in ys])


def test_the_slope_is_that_of_least_squares():
    row = contrast_table(analysis(), 1).query("kind == 'confirmatory'").iloc[0]
    x, y = flat()
    assert row["estimate"] == pytest.approx(stats.linregress(x, y).slope)
    # Each dose has its own variance; degrees of freedom by Satterthwaite, written out.
    parts = [(xx, np.log(ys)) for xx, ys in zip(np.unique(x), GIVEN.values(), strict=True)]
    weights = [len(v) * (xx - x.mean()) / ((x - x.mean()) ** 2).sum() for xx, v in parts]
    v = [w**2 * ys.var(ddof=1) / len(ys) for w, (_, ys) in zip(weights, parts, strict=True)]
    df = sum(v) ** 2 / sum(a**2 / (len(ys) - 1) for a, (_, ys) in zip(v, parts, strict=True))
    assert (row["se"], row["df"]) == pytest.approx((np.sqrt(sum(v)), df))
    assert row["p"] == pytest.approx(2 * stats.t.sf(row["estimate"] / row["se"], df))
    assert "slope over log2(dose + 1)" in row["method"] and row["n_animals"] == 16


def test_the_claim_is_judged():
    row = verdict_table(analysis()).iloc[0]
    assert row["verdict"] == "supported" and row["n_animals"] == 16
    down = {d: GIVEN[k] for d, k in zip(GIVEN, reversed(GIVEN), strict=True)}
    assert verdict_table(analysis(down)).iloc[0]["verdict"] == "refuted"


def test_each_dose_stands_in_the_outcomes_own_unit():
    arms = arm_table(analysis()).set_index("arm")
    assert list(arms.index) == ["dose 0", "dose 1", "dose 2", "dose 4"]
    for row, ys in zip(arms.itertuples(), GIVEN.values(), strict=True):
        logs = np.log(ys)
        half = stats.t.ppf(0.975, len(ys) - 1) * logs.std(ddof=1) / np.sqrt(len(ys))
        wanted = np.exp([logs.mean(), logs.mean() - half, logs.mean() + half])
        assert (row.value, row.lower, row.upper) == pytest.approx(tuple(wanted))
        assert (row.n, row.sd) == (len(ys), pytest.approx(logs.std(ddof=1)))


def test_a_margin_in_sd_is_one_between_animals_of_a_dose():
    the_plan = plan(margin={"kind": "sd", "value": 0.5})
    row = verdict_table(analysis(the_plan=the_plan)).iloc[0]
    groups = [np.log(ys) for ys in GIVEN.values()]
    spread = np.sqrt(
        sum(((g - g.mean()) ** 2).sum() for g in groups) / sum(len(g) - 1 for g in groups)
    )
    assert row["margin_lower"] < row["estimate"] - 0.5 * spread < row["margin_upper"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({np.nan: [5, 6, 7], 0: [8, 9, 7]}, "all animals have the same dose"),
        ({np.nan: [5, 6, 7], 1: [8, 9], 2: [7, 8, 9]}, "fewer than 3 animals at dose 1 (2)"),
    ],
)
def test_what_has_no_slope_says_why(given, said):
    row = verdict_table(analysis(given)).iloc[0]
    assert row["verdict"] == "not judged" and said in row["reason"]


def test_false_trends_are_rare():
    rng, found = np.random.default_rng(3), []
    for _ in range(150):
        given = {d: np.exp(rng.normal(4, 0.2, 5)) for d in (np.nan, 1, 2, 4)}
        found.append(
            contrast_table(analysis(given), 1).query("kind == 'confirmatory'")["p"].iloc[0]
        )
    assert stats.binomtest(int((np.array(found) <= 0.05).sum()), 150, 0.05).pvalue > 0.001


def test_false_trends_are_rare_where_three_in_ten_animals_have_none():
    """Counts of one distribution at every dose, compared by their means; docs/statistics.md has
    rates."""
    rng, found = np.random.default_rng(7), []
    for _ in range(100):
        given = {
            d: np.where(rng.random(5) < 0.3, 0, rng.poisson(4 * np.exp(rng.normal(0, 0.4, 5))))
            for d in (np.nan, 1, 2, 4)
        }
        row = contrast_table(analysis(given), 1).query("kind == 'confirmatory'").iloc[0]
        found.append(row["p"])
    assert "skewness of means" in row["method"]
    assert stats.binomtest(int((np.array(found) <= 0.05).sum()), 100, 0.05).pvalue > 0.001


def sheets(folder, **texts):
    out = {}
    for name in (
        "animals",
        "scans",
        "sections",
        "cultures",
        "libraries",
        "imports",
        "clinical",
        "readings",
    ):
        path = folder / f"{name}.tsv"
        if name in texts:
            path.write_text(texts[name], encoding="utf-8")
        out[name] = read_sheet(name, path if name in texts else None)
    return out


def test_readings_and_observations_carry_their_arm(tmp_path):
    found = sheets(
        tmp_path,
        animals="animal_id\tunit\tgroup\tdose\tdose_unit\nD1\tdonor\t\t\t\nR1\tanimal\tPOST\t2\tM\n",
        readings="specimen_id\tanimal_id\treader\toutcome\tvalue\tcondition\tdose\tdose_unit\n"
        "w1\tD1\tann\tprol\t10\tvehicle\t\t\nw2\tD1\tann\tprol\t20\tmedium\t5\t%\nr\tR1\tann\tmvd\t3\t\t\t\n",
        clinical="animal_id\toutcome\tvalue\tcondition\tdose\tdose_unit\nD1\tteer\t300\tvehicle\t\t\n"
        "D1\tteer\t310\tmedium\t1\t%\nD1\tteer\t330\tmedium\t5\t%\nR1\timpl_surv\t1\t\t\t\n",
    )
    rows = reading_rows(found["readings"], DICTIONARY) + clinical_rows(
        found["clinical"], DICTIONARY
    )
    joined = join_design(tidy(rows), found["animals"], specimen_table(found))
    got = {
        (r.animal_id, r.outcome, r.condition): (r.dose, r.dose_unit, r.value)
        for r in joined.itertuples()
    }
    assert got["D1", "prol", "medium"] == (5, "%", 20)
    assert got["D1", "prol", "vehicle"][2] == 10 and np.isnan(got["D1", "prol", "vehicle"][0])
    given = joined[(joined["outcome"] == "teer") & (joined["condition"] == "medium")]
    assert dict(zip(given["dose"], given["value"], strict=True)) == {1: 310, 5: 330}
    assert got["D1", "teer", "vehicle"][2] == 300
    # An animal's own arm and dose, where its specimen says nothing else.
    assert got["R1", "mvd", "POST"][:2] == (2, "M") and got["R1", "impl_surv", "POST"][0] == 2


def test_a_reading_that_contradicts_the_sheet_of_its_specimen_is_refused(tmp_path):
    found = sheets(
        tmp_path,
        scans="specimen_id\tanimal_id\tpath\tcondition\ns1\tD1\ta.tif\tvehicle\n",
        readings="specimen_id\tanimal_id\treader\toutcome\tvalue\tcondition\ns1\tD1\tann\tbvtv\t10\tmedium\n",
    )
    with pytest.raises(InputError, match="'s1' has another condition or dose in its own sheet"):
        specimen_table(found)
