"""Power: published figures, statsmodels, brute force, and the engine that judges; degenerate studies say why."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower
from studies import CLAIMS, DICTIONARY, ROLES, analysed, analysis, plan, row, simulated

from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.composite import healing_index, z_scores
from periomics.statistics.claims.plan import read_plan
from periomics.statistics.kernels.contrasts import interval, linear_form, summarise
from periomics.statistics.planning import power as formula
from periomics.statistics.planning.planned_truth import (
    _in_overall_sd,
    index_sd,
    recoveries,
    truth,
)
from periomics.statistics.planning.power_tables import COLUMNS, CURVE_COLUMNS, power_tables
from periomics.statistics.planning.simulated_power import simulate
from periomics.study.settings.planning import Planning

FAST = Planning(R={"PRE": 0.05, "POST": 0.7}, simulations=400, n=(3, 6), n_limit=15)
SHEET = pd.DataFrame(
    {
        "animal_id": [f"a{i}" for i in range(24)],
        "unit": "animal",
        "group": ["CTRL", "DRUG", "PRE", "POST"] * 6,
    }
)


@pytest.mark.parametrize(("n", "d"), [(5, 2.02), (6, 1.80), (8, 1.51), (10, 1.32)])
def test_detectable_difference_is_the_published_one(n, d):
    found = formula.detectable(lambda x: formula.pooled_superiority(x, n, n, 0.05), 0.8)
    assert found == pytest.approx(d, abs=0.006)


PUBLISHED = {
    (6, 0.5): (0.20, 0.00),
    (6, 0.8): (0.36, 0.02),
    (6, 1.0): (0.48, 0.11),
    (6, 1.5): (0.78, 0.57),
    (8, 0.5): (0.24, 0.00),
    (8, 0.8): (0.45, 0.06),
    (8, 1.0): (0.59, 0.23),
    (8, 1.5): (0.88, 0.77),
    (10, 0.5): (0.28, 0.00),
    (10, 0.8): (0.53, 0.12),
    (10, 1.0): (0.69, 0.39),
    (10, 1.5): (0.94, 0.89),
    (20, 0.5): (0.47, 0.03),
    (20, 0.8): (0.80, 0.60),
    (20, 1.0): (0.93, 0.85),
    (20, 1.5): (1.00, 1.00),
}


@pytest.mark.parametrize(("n", "margin"), PUBLISHED)
def test_non_superiority_and_equivalence_have_the_published_powers(n, margin):
    """spec/study.md 3.3 was simulated: a few thousand studies, two digits."""
    one, two = PUBLISHED[n, margin]
    assert formula.pooled_non_superiority(margin, 0.0, n, n, 0.05) == pytest.approx(one, abs=0.02)
    assert formula.pooled_equivalence(margin, 0.0, n, n, 0.05) == pytest.approx(two, abs=0.02)


@pytest.mark.parametrize("n", [3, 6, 11, 40])
@pytest.mark.parametrize("d", [0.0, 0.4, 1.3, 3.0])
def test_formulas_equal_statsmodels(n, d):
    here = formula.pooled_superiority(d, n, n + 2, 0.05)
    assert here == pytest.approx(
        TTestIndPower().power(d, n, 0.025, ratio=(n + 2) / n, alternative="larger"), abs=1e-6
    )
    assert formula.within(d, n, 0.05) == pytest.approx(
        TTestPower().power(d, n, 0.025, alternative="larger"), abs=1e-6
    )


@pytest.mark.parametrize(
    ("margin", "effect", "n1", "n2"), [(1.0, 0.0, 6, 6), (1.2, 0.4, 8, 5), (0.8, -0.3, 20, 20)]
)
def test_equivalence_is_what_brute_force_counts(margin, effect, n1, n2):
    rng = np.random.default_rng(3)
    studies, df = 400_000, n1 + n2 - 2
    se = np.sqrt(1 / n1 + 1 / n2)
    d = rng.normal(effect, se, studies)
    half = stats.t.ppf(0.95, df) * se * np.sqrt(rng.chisquare(df, studies) / df)
    share = ((d + half < margin) & (d - half > -margin)).mean()
    assert formula.pooled_equivalence(margin, effect, n1, n2, 0.05) == pytest.approx(
        share, abs=3.5 * np.sqrt(0.25 / studies)
    )


@pytest.mark.parametrize(("n1", "n2"), [(3, 3), (6, 6), (8, 5), (20, 20)])
def test_powers_are_those_of_the_engine(n1, n2):
    """Brute force through `linear_form` and `interval`, the code that judges."""
    rng = np.random.default_rng(4)
    studies, arm = 100_000, np.repeat([0, 1], [n1, n2])
    y = rng.standard_normal((studies, n1 + n2)) + np.where(arm == 1, 1.1, 0.0)
    form = linear_form(summarise(y, arm, 2), [-1.0, 1.0])
    error = 3.5 * np.sqrt(0.25 / studies)
    assert formula.superiority(1.1, n1, n2, 0.05) == pytest.approx(
        (interval(form, 0.95)[0] > 0).mean(), abs=error
    )
    low, high = interval(form, 0.90)
    assert formula.non_superiority(2.0, 1.1, n1, n2, 0.05) == pytest.approx(
        (high < 2.0).mean(), abs=error
    )
    inside = ((high < 1.9) & (low > -1.9)).mean()
    assert formula.equivalence(1.9, 1.1, n1, n2, 0.05) == pytest.approx(inside, abs=error)


def test_needed_and_detectable_undo_power():
    n = formula.needed(lambda k: formula.superiority(1.2, k, k, 0.05), 0.8, 100)
    assert (
        formula.superiority(1.2, n, n, 0.05) >= 0.8 > formula.superiority(1.2, n - 1, n - 1, 0.05)
    )
    assert np.isnan(formula.needed(lambda k: formula.superiority(0.01, k, k, 0.05), 0.8, 100))
    assert (
        np.isnan(formula.detectable(lambda x: 0.5, 0.8))
        and formula.detectable(lambda x: 0.9, 0.8) == 0
    )
    assert formula.superiority(1, 1, 1, 0.05) == 0 and formula.equivalence(1, 0, 1, 1, 0.05) == 0
    assert formula.superiority(60, 5, 5, 0.05) == pytest.approx(1)


def test_simulation_meets_formulas_and_the_published_powers_of_the_claims():
    """spec/study.md 1.3 (d = 2.5, n = 6: .98, .32, .82, .75) pools the variance over four arms; two arms cost a little."""
    p = plan()
    t = truth(analysis(p), Planning(R={"PRE": 0.05, "POST": 0.7}, effect_d=2.5), SHEET)
    within = {c.id: c.id == "C5" for c in p.claims}
    n = t.n | {(o, "CM"): 6 for o in ("scratch_rate", "prol", "surv")}
    found = simulate(p, t, within, n, 4000, 1, 0.4)
    for claim, effect, published in (("C0", 2.5, 0.98), ("C2", 1.75, 0.82), ("C4", 1.625, 0.75)):
        share = np.mean([found.alone[claim, o] for o in p.primary])
        exact = formula.superiority(effect, 6, 6, 0.05)
        assert share == pytest.approx(exact, abs=0.01), claim
        assert published - 0.09 < share < published + 0.01
    assert np.mean([found.alone["C1", o] for o in p.primary]) == pytest.approx(0.32, abs=0.06)
    assert found.alone["C5", "prol"] == pytest.approx(formula.within(2.5, 6, 0.05), abs=0.02)
    for key, share in found.in_graph.items():
        if key[0] in ("C2", "C4", "C3"):
            assert share <= found.alone[key]


def test_false_claims_are_supported_at_most_at_alpha():
    p = plan()
    t = truth(analysis(p), Planning(R={"PRE": 0.3, "POST": 0.0}, effect_d=2.5), SHEET)
    found = simulate(
        p,
        t,
        {c.id: c.id == "C5" for c in p.claims},
        t.n | {(o, "CM"): 6 for o in t.outcomes},
        4000,
        2,
        0.4,
    )
    error = 3 * np.sqrt(0.05 * 0.95 / 4000)
    assert found.alone["C1", "bvtv"] < 0.05 + error and found.alone["C2", "bvtv"] < 0.025 + error


def test_the_table_of_a_planned_study():
    table, curves = power_tables(analysis(plan()), FAST, SHEET, 1)
    assert list(table.columns) == list(COLUMNS) and list(curves.columns) == list(CURVE_COLUMNS)
    gate = table[(table["claim_id"] == "C0") & (table["outcome"] == "bvtv")].iloc[0]
    assert (
        gate["method"] == "formula"
        and gate["n_now"] == "CTRL 6, DRUG 6"
        and gate["detectable_sd"] == pytest.approx(1.8284, abs=1e-3)
    )
    assert (
        gate["n_needed"] == 13
        and "not the effect observed" in gate["basis"]
        and np.isnan(gate["sd"])
    )
    assert (table.loc[table["claim_id"] == "C1", "method"] == "simulation").all()
    after = table[table["claim_id"] == "C2"].iloc[0]
    assert (
        after["adjusted_by"] == "after C0, Holm's correction over 5 outcomes"
        and after["power_adjusted"] < after["power"]
    )
    assert "all outcomes" in set(table["outcome"]) and curves["n"].unique().tolist() == [3, 4, 5, 6]
    again, _ = power_tables(analysis(plan()), FAST, SHEET, 1)
    pd.testing.assert_frame_equal(table, again)


# Tabled quantiles of chi squared, .975 and .025.
CHI2_OF_20, CHI2_OF_5 = np.array([34.170, 9.591]), np.array([12.8325, 0.8312])


def test_measured_animals_give_sd_and_numbers_but_no_effect():
    values, sheet = simulated(n=6)
    prepared = prepare(values, sheet, DICTIONARY)
    table, _ = power_tables(analysis(plan(), prepared), FAST, sheet, 1)
    gate = table[(table["claim_id"] == "C0") & (table["outcome"] == "mvd")].iloc[0]
    arms = [
        g["value"].var(ddof=1) for _, g in values[values["outcome"] == "mvd"].groupby("condition")
    ]
    assert (
        gate["sd"] == pytest.approx(np.sqrt(np.mean(arms)))
        and gate["sd_lower"] < gate["sd"] < gate["sd_upper"]
    )
    ends = gate["sd"] * np.sqrt(20 / CHI2_OF_20)
    assert (gate["sd_lower"], gate["sd_upper"]) == pytest.approx(tuple(ends), rel=1e-4)
    assert gate["detectable_natural"] == pytest.approx(gate["detectable_sd"] * gate["sd"])
    assert gate["detectable_percent"] > 0 and "pooled within arms, 20 df" in gate["sd_source"]
    shifted = prepared.assign(
        value=prepared["value"].where(prepared["condition"] != "DRUG", prepared["value"] - 5)
    )
    other, _ = power_tables(analysis(plan(), shifted), FAST, sheet, 1)
    pd.testing.assert_frame_equal(table[["power", "n_needed"]], other[["power", "n_needed"]])
    planned, _ = power_tables(
        analysis(plan(), prepared),
        Planning(effect_of={"mvd": 30.0}, simulations=100, n=(3, 4), n_limit=5),
        sheet,
        1,
    )
    mine = planned[(planned["claim_id"] == "C0") & (planned["outcome"] == "mvd")].iloc[0]
    assert mine["planned_effect_sd"] == pytest.approx(30 / gate["sd"])


def test_a_margin_in_the_natural_unit_needs_a_measured_sd():
    claims = {
        "margin": {"kind": "raw", "value": 15.0},
        "domains": {"vessels": "mvd"},
        "contrasts": {"x": {"weights": {"PRE": 1, "DRUG": -1}}},
        "claims": [
            {"id": "E", "kind": "equivalence", "contrast": "x"},
            {"id": "N", "kind": "non_superiority", "contrast": "x"},
        ],
    }
    p = read_plan(claims, ROLES)
    table, curves = power_tables(analysis(p), FAST, SHEET, 1)
    assert (
        table["reason"].str.contains("margin in SD is not known").all()
        and table["power"].isna().all()
        and curves.empty
    )
    values, sheet = simulated(n=6)
    table, _ = power_tables(analysed(values, sheet, p), FAST, sheet, 1)
    row = table.set_index("claim_id").loc["E"]
    expected = formula.equivalence(15 / row["sd"], 0.05 * 1.2, 6, 6, 0.05)
    assert row["method"] == "formula" and row["power"] == pytest.approx(expected)


def test_what_cannot_be_planned_says_why():
    table, _ = power_tables(analysis(plan(directions={})), FAST, SHEET, 1)
    assert (
        table.loc[table["outcome"] == "bvtv", "reason"].eq("no declared direction of benefit").all()
    )
    table, _ = power_tables(analysis(plan()), FAST, SHEET.iloc[:0], 1)
    gate = table[table["claim_id"] == "C0"].iloc[0]
    assert (
        np.isnan(gate["power"])
        and gate["n_needed"] == 13
        and "fewer than 3 animals in an arm" in gate["reason"]
    )
    table, curves = power_tables(analysis(plan(claims=[])), FAST, SHEET, 1)
    assert table.empty and list(table.columns) == list(COLUMNS) and curves.empty


def test_recoveries_follow_roles_and_claims():
    p = plan()
    assert recoveries(p, Planning(), ("CTRL", "DRUG", "PRE", "POST")) == {
        "CTRL": 1,
        "DRUG": 0,
        "PRE": 0,
        "POST": 0.7,
    }
    bare = read_plan(
        {
            "domains": {"x": "mvd"},
            "contrasts": {"a": {"weights": {"B": 1, "A": -1}}},
            "claims": [{"id": "s", "kind": "superiority", "contrast": "a"}],
        }
    )
    assert recoveries(bare, Planning(), ("A", "B")) == {"A": 0, "B": 1}


def test_the_composite_gathers_its_outcomes():
    """Five outcomes of correlation .4: a mean has SD sqrt(.2 x .6 + .4), so that 1.2 SD each become 1.66 SD of the mean."""
    claims = CLAIMS | {
        "claims": [{"id": "H", "kind": "superiority", "contrast": "C0", "outcomes": "hi"}]
    }
    p = read_plan(claims, ROLES)
    t = truth(analysis(p), Planning(), SHEET)
    assert t.d["hi"] == pytest.approx(1.2 / np.sqrt(0.52)) and sum(
        t.index.values()
    ) == pytest.approx(1)
    found = simulate(p, t, {"H": False}, t.n, 4000, 3, 0.4)
    assert found.alone["H", "hi"] == pytest.approx(
        formula.superiority(t.d["hi"], 6, 6, 0.05), abs=0.025
    )


def test_the_composite_weighs_outcomes_as_the_index_of_a_study_does():
    """A deficit of 3 SD beside one of 1 SD: the mean deficit in SD between animals of the index, drawn and scaled as a study's."""
    rng, arm, d = np.random.default_rng(5), np.repeat(range(2), 400), np.array([3.0, 1.0])
    y = rng.standard_normal((60, 2, 800)) + d[:, None] * (arm == 1)
    index = healing_index(z_scores(y, arm, 2, [1, 1], 0), [0, 1], 1.0)
    arms = summarise(index, arm, 2)
    seen = ((arms.mean[:, 1] - arms.mean[:, 0]) / np.sqrt(arms.var.mean(axis=1))).mean()
    w = _in_overall_sd({"a": 0.5, "b": 0.5}, {"a": 3.0, "b": 1.0}, {"healthy": 1.0, "disease": 0.0})
    planned = (3.0 * w["a"] + 1.0 * w["b"]) / index_sd(w, 0.0)
    assert planned == pytest.approx(seen, rel=0.02) and abs(4.0 / np.sqrt(2) / planned - 1) > 0.05


def test_claims_on_associations_take_no_part_and_hold_nothing_up():
    claims = CLAIMS | {
        "claims": [
            {
                "id": "A",
                "kind": "association",
                "score": "score:signature:ANG_core",
                "outcomes": "mvd",
            },
            {"id": "H", "kind": "superiority", "contrast": "C0", "outcomes": "mvd", "after": ["A"]},
        ]
    }
    table, _ = power_tables(analysis(read_plan(claims, ROLES)), FAST, SHEET, 1)
    assert table["claim_id"].tolist() == ["H"] and table["power"].iloc[0] > 0.4


def test_sd_leaves_out_blocks_where_contrasts_do():
    values, sheet = simulated(n=6)
    day = sheet["animal_id"].str[-1].astype(int) % 2
    sheet["block"] = np.where(day == 1, "d1", "d0")
    values["value"] += 30 * values["animal_id"].map(dict(zip(sheet["animal_id"], day, strict=True)))
    prepared = prepare(values, sheet, DICTIONARY)
    with_blocks, without = (
        truth(analysis(plan(design={"blocks": b}), prepared), FAST, sheet).spread["mvd"]
        for b in (True, False)
    )
    assert (
        with_blocks.natural < 0.75 * without.natural
        and "arms and blocks, 19 df" in with_blocks.source
    )
    assert "within arms, 20 df" in without.source


def test_sd_of_claims_within_units_is_that_of_differences():
    rng = np.random.default_rng(8)
    level, rows = rng.normal(100, 30, 6), []
    for arm, gain in (("vehicle", 0.0), ("medium", 12.0)):
        for i, u in enumerate(level + gain + rng.normal(0, 2, 6)):
            rows.append(row(f"I{i}", "prol", arm, u, unit="% of vehicle"))
    sheet = pd.DataFrame(
        {"animal_id": [f"I{i}" for i in range(6)], "unit": "isolation", "group": "", "block": ""}
    )
    table = pd.DataFrame(rows)
    t = truth(analysed(table, sheet, plan()), FAST, sheet)
    value = table.pivot(index="animal_id", columns="condition", values="value")
    assert t.spread["prol"].natural == pytest.approx(
        (value["medium"] - value["vehicle"]).std(ddof=1)
    )
    assert t.n["prol", "CM"] == 6 and "differences within units" in t.spread["prol"].source
    ends = t.spread["prol"].lower, t.spread["prol"].upper
    assert ends == pytest.approx(tuple(t.spread["prol"].natural * np.sqrt(5 / CHI2_OF_5)), rel=1e-3)
    assert np.isnan(t.spread["surv"].natural)
