"""Zeros against known truths: a generator of its own, arithmetic means by hand, and how often intervals hold them."""

import numpy as np
import pandas as pd
import pytest

from periomics.outcomes.aggregate import COLUMNS
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.estimates import contrast_table, rescue_table
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.kernels.contrasts import Bounded, interval, summarise, without_events
from periomics.statistics.kernels.rescue import fieller
from periomics.study.dictionary import load_dictionary

STUDIES = 8000
# Three standard errors of a rate of .95 below .93, and what an exact bound may be above.
LEAST = 0.93 - 3 * (0.05 * 0.95 / STUDIES) ** 0.5


def animals(outcome, arms, dictionary):
    """Animals table and sheet of one outcome; a value, or a value with its count and its area."""
    rows, groups = [], {}
    for arm, values in arms.items():
        for i, value in enumerate(values):
            y, count, area = value if isinstance(value, tuple) else (value, np.nan, np.nan)
            groups[f"{arm}{i}"] = arm
            rows.append(
                dict.fromkeys(COLUMNS, "")
                | {"animal_id": f"{arm}{i}", "outcome": outcome, "condition": arm, "value": y}
                | {"numerator": count, "denominator": area, "dose": np.nan, "time": np.nan}
                | {"status": "measured", "unit": str(dictionary.at[outcome, "unit"])}
            )
    sheet = pd.DataFrame({"animal_id": list(groups), "group": list(groups.values())})
    return pd.DataFrame(rows, columns=list(COLUMNS)), sheet.assign(unit="animal", block="")


CLAIMS = {
    "margin": {"kind": "deficit", "value": 0.3},
    "contrasts": {
        "C0": {"weights": {"healthy": 1, "disease": -1}},
        "C2": {"weights": {"POST": 1, "disease": -1}},
    },
    "claims": [
        {"id": "C0", "kind": "gate", "contrast": "C0"},
        {"id": "C2", "kind": "superiority", "contrast": "C2"},
        {"id": "C1", "kind": "non_superiority", "contrast": "C2"},
        {"id": "half", "kind": "rescue", "arm": "POST", "threshold": 0.5},
        {"id": "most", "kind": "rescue", "arm": "POST", "threshold": 0.75},
    ],
}
ROLES = {"healthy": "CTRL", "disease": "DRUG", "treated": ["POST"]}


@pytest.fixture(scope="module")
def analysed(root):
    dictionary = load_dictionary(root / "resources/outcomes.tsv")

    def of(outcome, arms, **claims):
        table, sheet = animals(outcome, arms, dictionary)
        plan = read_plan(CLAIMS | {"domains": {"one": outcome}} | claims, ROLES)
        return Analysis(plan, prepare(table, sheet, dictionary), dictionary)

    return of


def words(analysis):
    found = verdict_table(analysis).set_index("claim_id")
    return found["verdict"].to_dict(), found


HEALTHY_AT_0 = {
    "CTRL": [0.0] * 6,
    "DRUG": [30.0, 34, 36, 38, 33, 41],
    "POST": [9.0, 10, 11, 8.6, 10.5, 9.4],
}


def test_rescue_is_that_of_arithmetic_means(analysed):
    study = analysed("necr", HEALTHY_AT_0)
    healthy, diseased, treated = (sum(x) / len(x) for x in HEALTHY_AT_0.values())
    R = rescue_table(study).iloc[0]
    assert R["R"] == pytest.approx((treated - diseased) / (healthy - diseased))
    assert round(R["R"], 3) == 0.724 and R["lower"] < 0.72 and R["upper"] > 0.75
    verdict, rows = words(study)
    assert verdict["C0"] == "supported" and verdict["most"] == "inconclusive"
    assert verdict["half"] == "supported" and verdict["C2"] == "supported"
    assert "6 share(s) at 0" in rows.at["C0", "reason"]
    assert "all 6 of CTRL at 0" in rows.at["C0", "reason"]


def test_what_other_arms_show_does_not_move_the_estimate(analysed):
    """A constant in place of zeros moved R with the values of another arm."""
    more = HEALTHY_AT_0 | {"SHAM": [0.5, 0.7, 1.0, 0.4, 0.9, 0.6]}
    one, two = (rescue_table(analysed("necr", x)).iloc[0]["R"] for x in (HEALTHY_AT_0, more))
    assert one == two


def test_all_at_100_percent_is_the_mirror_of_all_at_0(analysed):
    mirror = {a: [100 - y for y in ys] for a, ys in HEALTHY_AT_0.items()}
    one, two = (
        verdict_table(analysed(o, x)).set_index("claim_id")
        for o, x in (("necr", HEALTHY_AT_0), ("ln332", mirror))
    )
    np.testing.assert_allclose(
        one[["estimate", "lower", "upper"]], two[["estimate", "lower", "upper"]]
    )


def test_counts_of_0_are_compared_by_their_densities(analysed):
    counts = {"CTRL": [0, 0, 1, 0, 0, 1], "DRUG": [4, 6, 3, 5, 2, 4], "POST": [1, 0, 2, 1, 1, 2]}
    arms = {a: [(k / 0.5, float(k), 0.5) for k in ks] for a, ks in counts.items()}
    study = analysed("neu", arms)
    found = contrast_table(study, 1).set_index("contrast")
    assert found.at["C0", "estimate"] == pytest.approx(2 * (2 / 6 - 4))
    assert found.at["C0", "scale"] == "identity" and "0" in found.at["C0", "reason"]
    assert words(study)[0]["C0"] == "supported"


@pytest.mark.parametrize(
    ("outcome", "wrong", "allowed"), [("necr", 460.0, "0 to 100 %"), ("mar", -3.0, "at least 0")]
)
def test_an_impossible_value_costs_its_animal_and_names_it(analysed, outcome, wrong, allowed):
    arms = {
        "CTRL": [5.0, 6, 7, 5.5, 6.5],
        "DRUG": [30.0, 34, 36, 38, 33, wrong],
        "POST": [9.0, 10, 11, 8.6, 10.5],
    }
    _, rows = words(analysed(outcome, arms, directions={outcome: "-"}))
    assert rows.at["C2", "n_animals"] == 10 and rows.at["C0", "n_animals"] == 10
    assert f"DRUG5 ({wrong:g}" in rows.at["C2", "reason"] and allowed in rows.at["C2", "reason"]
    clean = arms | {"DRUG": arms["DRUG"][:5]}
    _, without = words(analysed(outcome, clean, directions={outcome: "-"}))
    assert rows.at["C2", "lower"] == without.at["C2", "lower"]


def test_yes_or_no_carries_gate_claims_margin_and_rescue(analysed):
    arms = {"CTRL": [0.0] * 8, "DRUG": [1.0] * 8, "POST": [1.0] + [0.0] * 7}
    verdict, rows = words(analysed("bone_exp", arms))
    assert verdict == {
        "C0": "supported",
        "C2": "supported",
        "C1": "refuted",
        "half": "inconclusive",
        "most": "inconclusive",
    }
    assert rows.at["C0", "p"] == pytest.approx(2 * 0.5**16)
    assert rows.at["half", "estimate"] == pytest.approx(0.5 - 1 / 8)
    R = rescue_table(analysed("bone_exp", arms)).iloc[0]
    assert R["R"] == pytest.approx(0.875) and R["lower"] < 0.5 < R["upper"]
    raw = words(analysed("bone_exp", arms, margin={"kind": "raw", "value": 0.2}))[0]
    assert raw["C2"] == "supported" and raw["C1"] == "refuted"
    sd, rows = words(analysed("bone_exp", arms, margin={"kind": "sd", "value": 0.8}))
    assert sd["C1"] == "not judged" and "no margin in SD" in rows.at["C1", "reason"]


def test_grades_carry_gate_and_claim_and_say_what_they_cannot(analysed):
    arms = {"CTRL": [0, 0, 1, 0, 1, 0], "DRUG": [2, 3, 3, 2, 3, 3], "POST": [1, 0, 1, 2, 1, 0]}
    verdict, rows = words(analysed("stage", {a: list(map(float, y)) for a, y in arms.items()}))
    assert verdict["C0"] == verdict["C2"] == "supported"
    assert rows.at["C0", "estimate"] == 0.5  # no healthy animal above any diseased one
    better = sum((d > p) + (d == p) / 2 for d in arms["DRUG"] for p in arms["POST"]) / 36
    assert rows.at["C2", "estimate"] == pytest.approx(better - 0.5)
    assert verdict["half"] == "not judged" and "no distances" in rows.at["half", "reason"]
    raw, _ = words(
        analysed(
            "stage",
            {a: list(map(float, y)) for a, y in arms.items()},
            margin={"kind": "raw", "value": 0.05},
        )
    )
    assert raw["C1"] == "refuted"


def test_yes_or_no_without_any_yes_says_no_deficit(analysed):
    verdict, _ = words(analysed("bone_exp", {a: [0.0] * 6 for a in ("CTRL", "DRUG", "POST")}))
    assert verdict == {
        "C0": "no deficit",
        "C2": "inconclusive",
        "C1": "no deficit",
        "half": "no deficit",
        "most": "no deficit",
    }


def shares(rng, size, zeros, mean):
    return np.where(rng.random(size) < zeros, 0.0, rng.beta(40 * mean, 40 * (1 - mean), size))


def counts(rng, size, zeros, mean):
    return np.where(rng.random(size) < zeros, 0.0, rng.poisson(mean, size)).astype(float)


# Least coverage over the cells is printed in docs/statistics.md.
@pytest.mark.parametrize("zeros", [0.3, 0.6, 1.0])
@pytest.mark.parametrize("n", [4, 6, 10])
@pytest.mark.parametrize(
    ("draw", "means", "most"),
    [(shares, (0.08, 0.35, 0.12), 1.0), (counts, (2.0, 8.0, 4.0), np.inf)],
)
def test_intervals_hold_the_means_however_many_zeros(zeros, n, draw, means, most):
    rng = np.random.default_rng([n, int(10 * zeros)])
    part = (zeros, 0.0, 0.0)
    y = np.concatenate(
        [draw(rng, (STUDIES, n), z, m) for z, m in zip(part, means, strict=True)], axis=1
    )
    true = np.array([(1 - z) * m for z, m in zip(part, means, strict=True)])
    arm = np.repeat(range(3), n)
    arms = Bounded(summarise(y, arm, 3), *without_events(y, arm, 3, (0.0, most)))
    for w in ([1, -1, 0], [0, -1, 1], [-1, 0, 1], [-0.3, -0.7, 1]):
        lower, upper = interval(arms.form(w), 0.95)
        inside = (lower <= true @ w) & (true @ w <= upper)
        assert inside[~np.isnan(lower)].mean() >= LEAST
    R = (true[2] - true[1]) / (true[0] - true[1])
    found = fieller(arms, 0, 1, 2)
    within = (found.lower <= R) & (found.upper >= R)
    held = np.where(
        found.bounded, within, np.isnan(found.lower) | ~((found.lower < R) & (found.upper > R))
    )
    assert held.mean() >= LEAST


def test_few_counts_in_both_arms_keep_their_level():
    rng = np.random.default_rng(3)
    for n, mean in ((4, 0.3), (6, 0.3), (6, 1.0), (10, 0.3)):
        y = rng.poisson(mean, (STUDIES, 2 * n)).astype(float)
        arm = np.repeat(range(2), n)
        arms = Bounded(summarise(y, arm, 2), *without_events(y, arm, 2, (0.0, np.inf)))
        lower, upper = interval(arms.form([1, -1]), 0.95)
        assert ((lower > 0) | (upper < 0)).mean() <= 0.055


def test_the_bound_of_an_arm_without_events_by_hand():
    y = np.array([0.0, 0, 0, 0, 3, 5, 2, 4])
    up, down = without_events(y, np.repeat([0, 1], 4), 2, (0.0, np.inf))
    assert up == pytest.approx([5 * (1 - 0.05**0.25), 0]) and not down.any()
    full = without_events(100 - y, np.repeat([0, 1], 4), 2, (0.0, 100.0))
    assert full[1] == pytest.approx(up) and not full[0].any()


ALL_OR_NONE = {"CTRL": [0.0] * 6, "DRUG": [100.0] * 6, "POST": [9.0, 10, 11, 8.6, 10.5, 9.4]}


def test_shares_all_at_0_beside_shares_all_at_100(analysed):
    """No share of events in [0, 1] makes such a table likelier than yes or no does: the ends of
    Barnard's table."""
    study = analysed("necr", ALL_OR_NONE)
    verdict, rows = words(study)
    gate = rows.loc["C0"]
    assert verdict["C0"] == verdict["C2"] == "supported" and "taken as yes or no" in gate["reason"]
    assert gate["estimate"] == 100 and gate["upper"] == 100
    row = contrast_table(study, 1).query("contrast == 'C0'").iloc[0]
    assert row["p"] == pytest.approx(2 * 0.5**12)
    R = rescue_table(study).iloc[0]
    assert R["deficit_p"] == row["p"] and R["set"] == "" and "do not vary" in R["reason"]
    p = np.linspace(0, 1, 2001)
    low, high = np.meshgrid(p, p)
    likely = (1 - low) ** 6 * high**6 > 0.025
    assert gate["lower"] == pytest.approx(100 * (high - low)[likely].min(), abs=1)


def test_animals_of_many_objects_whose_shares_are_nearly_all_or_none_are_covered(analysed):
    rng = np.random.default_rng(8)
    held = judged = 0
    for n in (5, 10):
        for _ in range(6):
            cells = rng.integers(20, 201, (2, n))
            p = rng.beta(*np.array([[0.001], [0.999]]) * 20, n), rng.beta(0.999 * 20, 0.02, n)
            y = [100 * rng.binomial(m, x) / m for m, x in zip(cells, p, strict=True)]
            arms = {"CTRL": y[0], "DRUG": y[1], "POST": rng.uniform(20, 60, n)}
            row = contrast_table(analysed("necr", arms), 1).query("contrast == 'C0'").iloc[0]
            judged += 1
            held += row["lower"] - 1e-9 <= -99.8 <= row["upper"] + 1e-9
    assert judged == 12 and held >= 10
