"""Designs other than four arms at one time, each beside least squares or t tests written out."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from periomics.outcomes.aggregate import COLUMNS
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.estimates import contrast_table
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.study.dictionary import load_dictionary

DICTIONARY = load_dictionary("resources/outcomes.tsv")
BASE = dict.fromkeys(COLUMNS, "") | {
    "outcome": "mvd",
    "status": "measured",
    "unit": "1/mm2",
    "time": 28.0,
    "time_unit": "d",
    "dose": np.nan,
    "numerator": np.nan,
    "denominator": np.nan,
}


def analysed(rows, groups, unit="animal", **claims):
    sheet = pd.DataFrame({"animal_id": list(groups), "group": list(groups.values())})
    sheet = sheet.assign(unit=unit, block="")
    table = pd.DataFrame([BASE | r for r in rows])
    return Analysis(read_plan(claims), prepare(table, sheet, DICTIONARY), DICTIONARY)


def rows_of(values, time=28.0):
    """values: arm → list of animals."""
    return [
        {"animal_id": f"{arm}{i}", "condition": arm, "value": float(y), "time": time}
        for arm, ys in values.items()
        for i, y in enumerate(ys)
    ]


def confirmed(known):
    return contrast_table(known, 1).query("kind == 'confirmatory'").set_index("contrast")


def claim(name, **more):
    return {"id": name, "kind": "superiority", "contrast": name, "outcomes": ["mvd"]} | more


def test_a_baseline_value_is_adjusted_for():
    rng = np.random.default_rng(2)
    first = {arm: np.exp(rng.normal(4, 0.3, 6)) for arm in ("cells", "none")}
    last = {
        arm: np.exp(0.3 * (arm == "cells") + np.log(y) + rng.normal(0, 0.05, 6))
        for arm, y in first.items()
    }
    rows = rows_of(first, 0.0) + rows_of(last, 28.0)
    groups = {r["animal_id"]: r["condition"] for r in rows}
    design = {"blocks": False, "covariates": ["baseline"], "baseline_time": 0}
    contrasts = {"C": {"weights": {"cells": 1, "none": -1}}}
    known = analysed(rows, groups, contrasts=contrasts, claims=[claim("C")], design=design)
    row = confirmed(known).loc["C"]
    data = pd.DataFrame(
        [
            {"y": np.log(y), "x": np.log(first[arm][i]), "cells": float(arm == "cells")}
            for arm, ys in last.items()
            for i, y in enumerate(ys)
        ]
    )
    fit = smf.ols("y ~ cells + x", data).fit()
    assert row["estimate"] == pytest.approx(fit.params["cells"])
    assert "baseline value" in row["method"]
    plain = analysed(
        rows, groups, contrasts=contrasts, claims=[claim("C")], design={"blocks": False}
    )
    assert row["se"] < confirmed(plain).loc["C", "se"] / 2
    # At the baseline itself nothing is adjusted for.
    early = contrast_table(known, 1).query("kind == 'time course' and time == 0").iloc[0]
    assert early["estimate"] == pytest.approx(
        np.log(first["cells"]).mean() - np.log(first["none"]).mean()
    )


def test_a_baseline_without_its_time_is_refused():
    with pytest.raises(Exception, match="baseline_time"):
        read_plan({"design": {"covariates": ["baseline"]}})


def test_five_arms_with_sham_and_three_doses():
    rng = np.random.default_rng(4)
    arms = {
        a: np.exp(rng.normal(m, 0.2, 6))
        for a, m in zip("SABCD", (4, 4.1, 4.3, 4.6, 4.2), strict=True)
    }
    rows = rows_of(arms)
    groups = {r["animal_id"]: r["condition"] for r in rows}
    contrasts = {a: {"weights": {a: 1, "S": -1}} for a in "ABCD"}
    claims = [claim(a, family="doses", correction="holm") for a in "ABCD"]
    known = analysed(rows, groups, contrasts=contrasts, claims=claims)
    table = verdict_table(known).set_index("claim_id")
    p = [
        stats.ttest_ind(np.log(arms[a]), np.log(arms["S"]), equal_var=False).pvalue for a in "ABCD"
    ]
    order, running, adjusted = np.argsort(p), 0.0, {}
    for rank, i in enumerate(order):
        running = max(running, min(1.0, p[i] * (4 - rank)))
        adjusted["ABCD"[i]] = running
    assert table["p_adj"].to_dict() == pytest.approx(adjusted)
    one = [claim(a, family="doses", correction="dunnett") for a in "ABCD"]
    found = verdict_table(analysed(rows, groups, contrasts=contrasts, claims=one))
    # The engine's t has a variance for each arm, as Welch's; the joint test lies between no correction and Bonferroni's.
    assert ((found["p_adj"] >= found["p"]) & (found["p_adj"] <= 4 * found["p"] + 0.1)).all()


def test_donors_that_hold_both_arms_are_compared_within():
    rng = np.random.default_rng(5)
    level = rng.normal(4, 0.5, 5)
    vehicle, medium = (np.exp(level + e + rng.normal(0, 0.1, 5)) for e in (0, 0.4))
    rows = [
        {"animal_id": f"D{i}", "condition": arm, "value": float(y)}
        for arm, ys in (("vehicle", vehicle), ("medium", medium))
        for i, y in enumerate(ys)
    ]
    contrasts = {"C": {"weights": {"medium": 1, "vehicle": -1}, "unit": "donor"}}
    known = analysed(
        rows, {f"D{i}": "" for i in range(5)}, "donor", contrasts=contrasts, claims=[claim("C")]
    )
    row, truth = confirmed(known).loc["C"], stats.ttest_rel(np.log(medium), np.log(vehicle))
    assert (row["p"], row["df"]) == pytest.approx((truth.pvalue, 4))


def test_a_gate_at_a_declared_time_opens_claims_of_that_time():
    rng = np.random.default_rng(6)
    means = {
        7.0: {"H": 5, "D": 4, "T": 4.6},
        28.0: {"H": 4.5, "D": 4.5, "T": 4.5},
        56.0: {"H": 5, "D": 4, "T": 5},
    }
    rows = [
        row
        for time, arms in means.items()
        for row in rows_of({a: np.exp(rng.normal(m, 0.1, 6)) for a, m in arms.items()}, time)
    ]
    groups = {r["animal_id"]: r["condition"] for r in rows}
    contrasts = {"G": {"weights": {"H": 1, "D": -1}}, "C": {"weights": {"T": 1, "D": -1}}}
    for time, gate in ((7.0, "supported"), (28.0, "no deficit"), (56.0, "supported")):
        claims = [claim("G", kind="gate", time=time), claim("C", after=["G"], time=time)]
        known = analysed(rows, groups, contrasts=contrasts, claims=claims)
        table = verdict_table(known).set_index("claim_id")
        assert table.at["G", "verdict"] == gate and table.at["C", "time"] == time
        assert table.at["C", "verdict"] == gate
        at = [r for r in rows if r["time"] == time]
        values = {a: [np.log(r["value"]) for r in at if r["condition"] == a] for a in "HD"}
        p = stats.ttest_ind(values["H"], values["D"], equal_var=False).pvalue
        assert table.at["G", "p"] == pytest.approx(p)


@pytest.mark.parametrize("margin", [{"kind": "raw", "value": 12.0}, {"kind": "sd", "value": 0.8}])
def test_the_number_that_would_decide_makes_the_interval_as_narrow_as_the_margin(margin):
    x, y = [61.0, 50.0, 72.0, 55.0, 66.0, 58.0], [60.0, 48.0, 66.0, 55.0, 70.0, 52.0]
    rows = rows_of({"cells": x, "none": y})
    groups = {r["animal_id"]: r["condition"] for r in rows}
    contrasts = {"C": {"weights": {"cells": 1, "none": -1}}}
    known = analysed(rows, groups, contrasts=contrasts, claims=[claim("C", margin=margin)])
    row = verdict_table(known).iloc[0]
    assert row["verdict"] == "inconclusive"
    raw = margin["kind"] == "raw"
    one, two = (x, y) if raw else (np.log(x), np.log(y))
    ends = stats.ttest_ind(one, two, equal_var=False).confidence_interval(0.95)
    size = 12.0 if raw else 0.8 * np.sqrt((np.var(one, ddof=1) + np.var(two, ddof=1)) / 2)
    assert row["n_to_decide"] == np.ceil(6 * ((ends.high - ends.low) / size) ** 2)
    assert f"about {row['n_to_decide']:.0f} units per arm" in row["reason"]


@pytest.mark.parametrize("both", [2, 3])
def test_donors_that_lack_an_arm_do_not_count_as_pairs(both):
    """Three donors hold each arm, and two of them both: two differences say nothing."""
    rng = np.random.default_rng(both)
    rows = [
        {"animal_id": f"d{i}", "condition": arm, "value": float(np.exp(rng.normal(4, 0.3)))}
        for i in range(6)
        for arm in ("cells", "none")
        if i < both or (i % 2 == (arm == "cells"))
    ]
    known = analysed(
        rows,
        {f"d{i}": "" for i in range(6)},
        unit="donor",
        contrasts={"P": {"weights": {"cells": 1, "none": -1}}},
        claims=[claim("P", margin={"kind": "raw", "value": 1})],
    )
    found, judged = confirmed(known).loc["P"], verdict_table(known).iloc[0]
    if both == 2:
        assert judged["verdict"] == "not judged" and np.isnan(found["p"])
        assert "fewer than 3 units with every arm (2)" in judged["reason"]
    else:
        of = {(r["animal_id"], r["condition"]): np.log(r["value"]) for r in rows}
        gaps = [of[f"d{i}", "cells"] - of[f"d{i}", "none"] for i in range(3)]
        assert found["p"] == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue)


def test_slopes_within_units_need_no_third_unit_at_one_dose():
    """Two of four isolations had none; all four have several doses and so a slope."""
    doses = {"i0": (0, 1, 4), "i1": (0, 2, 4), "i2": (1, 2, 4), "i3": (1, 2)}
    rng = np.random.default_rng(4)
    rows, slopes = [], []
    for unit, own in doses.items():
        y = 4 + 0.3 * np.log2(np.array(own) + 1) + rng.normal(0, 0.2, len(own))
        slopes.append(np.polyfit(np.log2(np.array(own) + 1), y, 1)[0])
        rows += [
            {"animal_id": unit, "condition": "cm" if d else "none", "value": float(np.exp(v))}
            | {"dose": float(d) if d else np.nan}
            for d, v in zip(own, y, strict=True)
        ]
    known = analysed(
        rows,
        dict.fromkeys(doses, ""),
        unit="isolation",
        contrasts={"T": {"trend": "dose", "weights": {"cm": 1, "none": -1}}},
        claims=[claim("T")],
    )
    found = confirmed(known).loc["T"]
    assert found["estimate"] == pytest.approx(np.mean(slopes))
    assert found["p"] == pytest.approx(stats.ttest_1samp(slopes, 0).pvalue)
