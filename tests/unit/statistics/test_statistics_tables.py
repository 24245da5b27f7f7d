"""From the animals table to contrasts, rescue and verdicts, also where the data are thin."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from studies import ARMS, CLAIMS, DICTIONARY, MEANS, analysed, analysis, plan, row, simulated, study

from periomics.outcomes.aggregate import COLUMNS as ANIMAL_COLUMNS
from periomics.statistics.claims import estimates as e
from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.judging import COLUMNS, verdict_table, with_family_levels


def tables(table, sheet, p=None):
    known = analysed(table, sheet, p)
    verdict = verdict_table(known)
    return (
        with_family_levels(e.contrast_table(known, 1), verdict),
        e.rescue_table(known),
        verdict,
    )


def whole(verdicts):
    """What must hold of every verdict table."""
    assert list(verdicts.columns) == list(COLUMNS)
    assert verdicts["verdict"].isin(v.VERDICTS).all()
    silent = verdicts["verdict"].isin([v.NOT_JUDGED, v.NOT_TESTED, v.NO_DEFICIT]) & (
        verdicts["reason"] == ""
    )
    assert not silent.any(), verdicts[silent]


def test_a_study_with_a_large_effect():
    contrasts, rescue, verdicts = tables(*simulated(n=10, cv=0.1))
    whole(verdicts)
    found = verdicts.set_index(["claim_id", "outcome"])["verdict"]
    for outcome in MEANS:
        assert found["C0", outcome] == found["C2", outcome] == found["C4", outcome] == v.SUPPORTED
    assert found["C5", "prol"] == v.NOT_JUDGED
    c4 = verdicts[verdicts["claim_id"] == "C4"]
    assert (c4["confounded_with"].str.contains("drug on board")).all() and (
        c4["n_animals"] == 20
    ).all()
    main = contrasts[contrasts["kind"] == "confirmatory"].set_index(["contrast", "outcome"])
    assert (
        main.at[("C2", "elac"), "estimate"] < 0
        and verdicts.set_index(["claim_id", "outcome"]).at[("C2", "elac"), "estimate"] > 0
    )
    # Adjusted levels and p-values of the contrasts are those of the verdicts.
    for outcome in MEANS:
        row_ = verdicts[(verdicts["claim_id"] == "C2") & (verdicts["outcome"] == outcome)].iloc[0]
        assert (
            main.at[("C2", outcome), "p_adj"] == row_["p_adj"]
            and main.at[("C2", outcome), "level"] == row_["level"]
        )
        ends = [
            main.at[("C2", outcome), k] * main.at[("C2", outcome), "sign"]
            for k in ("lower", "upper")
        ]
        # The end that decides what is claimed is the verdict's; both are at the row's level, the verdict's other end at its own.
        low, high = sorted(ends)
        assert low == pytest.approx(row_["lower"])
        assert (low + high) / 2 == pytest.approx(row_["estimate"])
        same = row_["level_refuted"] == row_["level"]
        assert (high == pytest.approx(row_["upper"])) == same
    r = rescue[(rescue["kind"] == "natural scale") & (rescue["arm"] == "POST")].set_index("outcome")
    assert r["bounded"].all() and ((r["lower"] < r["R"]) & (r["R"] < r["upper"])).all()


def test_contrasts_are_welch_on_the_scale_of_the_outcome():
    table, sheet = simulated(seed=4)
    contrasts, _, _ = tables(table, sheet)
    y = table[table["outcome"] == "mvd"].set_index("condition")["value"]
    peer = stats.ttest_ind(np.log(y["POST"]), np.log(y["DRUG"]), equal_var=False)
    found = contrasts[(contrasts["outcome"] == "mvd") & (contrasts["contrast"] == "C2")].set_index(
        "kind"
    )
    assert found.at["confirmatory", "p"] == pytest.approx(peer.pvalue, rel=1e-9)
    assert found.at["confirmatory", "ratio"] == pytest.approx(
        stats.gmean(y["POST"]) / stats.gmean(y["DRUG"])
    )
    peer = stats.ttest_ind(y["POST"], y["DRUG"], equal_var=False)
    assert found.at["natural scale", "p"] == pytest.approx(peer.pvalue, rel=1e-9)


def test_permuting_labels_moves_contrasts_and_leaves_values():
    table, sheet = simulated(seed=5)
    swap = {"PRE": "POST", "POST": "PRE"}
    other, other_sheet = table.copy(), sheet.copy()
    other["condition"], other_sheet["group"] = (
        table["condition"].replace(swap),
        sheet["group"].replace(swap),
    )
    a, b = tables(table, sheet)[0], tables(other, other_sheet)[0]
    for one, two in (("C1", "C2"), ("C2", "C1"), ("C0", "C0")):
        x, y = (
            t[(t["contrast"] == c) & (t["kind"] == "natural scale")]["estimate"].to_numpy()
            for t, c in ((a, one), (b, two))
        )
        np.testing.assert_allclose(x, y, rtol=1e-12)


def test_no_direction_no_confirmatory_verdict_but_an_honest_permutation():
    table, sheet = study(
        {
            "tbth": {
                a: m + np.linspace(-0.01, 0.01, 6)
                for a, m in zip(ARMS, (0.2, 0.1, 0.11, 0.18), strict=True)
            }
        }
    )
    p = plan(domains={"bone": "tbth"}, directions={}, claims=CLAIMS["claims"][:4])
    contrasts, _, verdicts = tables(table, sheet, p)
    whole(verdicts)
    assert (
        verdicts["reason"].str.contains("direction").all()
        and (verdicts["verdict"] == v.NOT_JUDGED).all()
    )
    c2 = contrasts[(contrasts["contrast"] == "C2") & (contrasts["kind"] == "confirmatory")].iloc[0]
    assert "estimates the direction" in c2["method"] and c2["perm_p"] < 0.05
    declared = tables(
        table,
        sheet,
        plan(domains={"bone": "tbth"}, directions={"tbth": "+"}, claims=CLAIMS["claims"][:4]),
    )[2]
    assert (declared.set_index("claim_id").loc[["C0", "C2"], "verdict"] == v.SUPPORTED).all()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_animals(n):
    contrasts, rescue, verdicts = tables(*simulated(n=n))
    whole(verdicts)
    if n < 3:
        assert (
            contrasts["p"].isna().all() and contrasts["reason"].str.contains("fewer than 3").all()
        )
        assert contrasts["estimate"].notna().all() and (verdicts["verdict"] == v.NOT_JUDGED).all()
        assert rescue["R"].notna().all() and not rescue["bounded"].any()
    else:
        assert contrasts.loc[contrasts["kind"] == "confirmatory", "p"].notna().all()
        floor = verdicts[verdicts["claim_id"] == "C0"]["reason"].str.contains("cannot reach")
        assert floor.all()


@pytest.mark.parametrize("gone", ARMS)
def test_an_empty_arm(gone):
    contrasts, rescue, verdicts = tables(*simulated(arms=tuple(a for a in ARMS if a != gone)))
    whole(verdicts)
    touched = {"CTRL": "C0", "DRUG": "C2", "PRE": "C4", "POST": "C2"}[gone]
    assert (verdicts[verdicts["claim_id"] == touched]["verdict"] == v.NOT_JUDGED).all()
    assert contrasts.empty or gone not in " ".join(contrasts["n_per_arm"])
    assert rescue.empty or gone not in ("CTRL", "DRUG")


def test_all_values_equal_and_all_missing():
    table, sheet = study(
        {"bvtv": {a: [40.0] * 5 for a in ARMS}, "mvd": {a: [np.nan] * 5 for a in ARMS}}
    )
    table.loc[table["value"].isna(), ["status", "reason"]] = ["missing", "no value"]
    contrasts, _, verdicts = tables(table, sheet)
    whole(verdicts)
    assert contrasts["reason"].str.contains("same value").all() and contrasts["p"].isna().all()
    assert (verdicts[verdicts["outcome"] == "mvd"]["reason"] == "not measured in this study").all()
    empty = table[:0]
    assert list(empty.columns) == list(ANIMAL_COLUMNS)
    contrasts, rescue, verdicts = tables(empty, sheet)
    whole(verdicts)
    assert contrasts.empty and rescue.empty and set(verdicts["verdict"]) == {v.NOT_JUDGED}


def test_a_reason_says_what_is_so():
    """Equal within arms is not equal over arms."""
    values = {a: [y] * 5 for a, y in zip(ARMS, (40.0, 30.0, 30.0, 35.0), strict=True)}
    contrasts, _, verdicts = tables(*study({"bvtv": values}))
    c0 = contrasts[(contrasts["contrast"] == "C0") & (contrasts["variant"] == "")]
    assert c0["reason"].str.contains("do not vary within the arms").all() and c0["p"].isna().all()
    assert not c0["reason"].str.contains("same value").any()
    same = contrasts[contrasts["contrast"] == "C1"]  # PRE against DRUG, equal here
    assert len(same) and same["reason"].str.contains("same value").all()
    gate = verdicts[(verdicts["claim_id"] == "C0") & (verdicts["outcome"] == "bvtv")]
    assert gate["reason"].str.contains("do not vary within the arms").all()


def test_technical_replicates_get_estimates_only():
    table, sheet = simulated()
    sheet["unit"] = "technical"
    contrasts, _, verdicts = tables(table, sheet)
    whole(verdicts)
    assert contrasts["estimate"].notna().all()
    assert contrasts[["p", "lower", "upper", "perm_p"]].isna().all(axis=None)
    assert (verdicts["verdict"] == v.NOT_JUDGED).all() and contrasts["reason"].str.contains(
        "technical"
    ).all()


def test_batch_that_is_an_arm_is_refused_and_a_crossed_one_is_not():
    table, sheet = simulated()
    table["batch"] = table["condition"].map({"POST": "b2"}).fillna("b1")
    contrasts, _, verdicts = tables(table, sheet)
    whole(verdicts)
    c = contrasts.set_index(["contrast", "outcome", "kind"])
    assert "batch and arm" in c.at[("C2", "bvtv", "confirmatory"), "reason"] and np.isnan(
        c.at[("C2", "bvtv", "confirmatory"), "p"]
    )
    assert c.at[("C1", "bvtv", "confirmatory"), "reason"] == ""
    table["batch"] = [f"b{i % 2}" for i in range(len(table))]
    assert tables(table, sheet)[0]["p"].notna().all()


def culture(n=6, gain=1.25, seed=1):
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        rows.append(row(f"I{i}", "prol", "vehicle", 100.0, time=48.0, time_unit="h"))
        rows.append(
            row(
                f"I{i}",
                "prol",
                "medium",
                100 * gain * np.exp(rng.normal(0, 0.05)),
                time=48.0,
                time_unit="h",
            )
        )
        for t in (12.0, 24.0):
            base = t + rng.normal(0, 5)
            rows += [
                row(
                    f"I{i}",
                    "scratch",
                    a,
                    base + (8 if a == "medium" else 0) + rng.normal(0, 1),
                    time=t,
                    time_unit="h",
                )
                for a in ("vehicle", "medium")
            ]
    sheet = pd.DataFrame(
        {"animal_id": [f"I{i}" for i in range(n)], "group": "", "unit": "isolation", "block": ""}
    )
    return pd.DataFrame(rows, columns=list(ANIMAL_COLUMNS)), sheet


def test_cultures_are_compared_within_isolations():
    table, sheet = culture()
    contrasts, _, verdicts = tables(table, sheet)
    whole(verdicts)
    prol = contrasts[
        (contrasts["outcome"] == "prol")
        & (contrasts["contrast"] == "CM")
        & (contrasts["kind"] == "confirmatory")
    ].iloc[0]
    y = table[table["outcome"] == "prol"].pivot_table(
        index="animal_id", columns="condition", values="value"
    )
    peer = stats.ttest_1samp(np.log(y["medium"] / y["vehicle"]), 0)
    assert prol["p"] == pytest.approx(peer.pvalue, rel=1e-9) and prol["n_animals"] == 6
    assert verdicts.set_index(["claim_id", "outcome"]).at[("C5", "prol"), "verdict"] == v.SUPPORTED
    scratch = contrasts[(contrasts["outcome"] == "scratch") & (contrasts["contrast"] == "CM")]
    assert scratch.set_index("time")["kind"].to_dict() == {12.0: "time course", 24.0: "secondary"}
    assert np.isnan(scratch.set_index("time").at[12.0, "p_adj"])


def test_two_isolations_get_estimates_only():
    contrasts, _, verdicts = tables(*culture(n=2))
    whole(verdicts)
    cm = contrasts[contrasts["contrast"] == "CM"]
    assert (
        len(cm)
        and cm["estimate"].notna().all()
        and cm[["p", "lower", "upper"]].isna().all(axis=None)
    )
    assert cm["reason"].str.contains("fewer than 3 units in").all()
    assert tables(*culture(n=3))[0]["p"].notna().any()


def test_days_of_one_kill_are_pooled_two_kills_are_not():
    table, sheet = simulated()
    table["time"] = [27.0 + i % 3 / 10 + (0.01 * i) for i in range(len(table))]
    contrasts = tables(table, sheet)[0]
    contrasts = contrasts[contrasts["outcome"] != "hi"]
    assert contrasts["reason"].str.contains("pooled").all() and (contrasts["n_animals"] == 12).all()
    table["time"] = np.where(np.arange(len(table)) % 2, 14.0, 28.0)
    contrasts = tables(table, sheet)[0]
    assert set(contrasts["time"]) == {14.0, 28.0} and (contrasts["n_animals"] == 6).all()


def test_doses_by_name_and_trend():
    rng = np.random.default_rng(2)
    rows = [
        row(f"I{i}", "teer", a, 50 + 4 * np.log2(d + 1) + rng.normal(0, 0.5) + 3 * i, dose=float(d))
        for i in range(5)
        for a, d in (("vehicle", 0), ("medium", 25), ("medium", 100))
    ]
    sheet = pd.DataFrame(
        {"animal_id": [f"I{i}" for i in range(5)], "group": "", "unit": "isolation", "block": ""}
    )
    p = plan(
        contrasts={
            "low": {"unit": "isolation", "weights": {"medium@25": 1, "vehicle": -1}},
            "trend": {
                "unit": "isolation",
                "trend": "dose",
                "weights": {"medium": 1, "vehicle": -1},
            },
        },
        claims=[],
        domains={},
    )
    prepared = prepare(pd.DataFrame(rows, columns=list(ANIMAL_COLUMNS)), sheet, DICTIONARY)
    found = e.contrast_table(analysis(p, prepared), 1)
    found = found[found["kind"] == "natural scale"].set_index("contrast")
    assert found.at["low", "estimate"] == pytest.approx(4 * np.log2(26), abs=1.0)


def test_a_trend_averages_nothing_away():
    rows = [
        row(f"I{i}", "conn", a, 50 + 4 * np.log2(d + 1) + 0.1 * i * d, dose=float(d))
        for i in range(4)
        for a, d in (("vehicle", 0), ("medium", 1), ("medium", 3))
    ]
    sheet = pd.DataFrame(
        {"animal_id": [f"I{i}" for i in range(4)], "group": "", "unit": "isolation", "block": ""}
    )
    p = plan(
        contrasts={"trend": {"trend": "dose", "weights": {"medium": 1, "vehicle": -1}}},
        claims=[],
        domains={},
    )
    table = pd.DataFrame(rows, columns=list(ANIMAL_COLUMNS))
    found = e.contrast_table(analysed(table, sheet, p), 1)
    expected = np.mean(
        [np.polyfit([0, 1, 2], [50, 54 + 0.1 * i, 58 + 0.3 * i], 1)[0] for i in range(4)]
    )
    assert found.iloc[0]["estimate"] == pytest.approx(expected) and found.iloc[0]["n_animals"] == 4


def test_secondary_outcomes_form_one_family():
    table, sheet = simulated(means=MEANS | {"va": (9, 5, 5.5, 8), "tbsp": (0.3, 0.5, 0.5, 0.35)})
    contrasts = tables(table, sheet)[0]
    second = contrasts[contrasts["kind"] == "secondary"]
    assert set(second["outcome"]) == {"va", "tbsp"}
    from statsmodels.stats.multitest import multipletests

    np.testing.assert_allclose(
        second["p_adj"], multipletests(second["p"], method="fdr_bh")[1], rtol=1e-12
    )


def test_same_seed_same_table():
    table, sheet = simulated(n=9)
    one, two = (tables(table, sheet)[0] for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    pd.testing.assert_frame_equal(one, tables(table.sample(frac=1, random_state=1), sheet)[0])


def test_null_gate_says_no_deficit_down_the_graph():
    rng = np.random.default_rng(12)
    table, sheet = study({o: {a: 40 + rng.normal(0, 5, 6) for a in ARMS} for o in MEANS})
    verdicts = tables(table, sheet)[2].set_index(["claim_id", "outcome"])
    shut = [o for o in MEANS if verdicts.at[("C0", o), "verdict"] == v.NO_DEFICIT]
    assert shut
    for o in shut:
        assert {verdicts.at[(c, o), "verdict"] for c in ("C1", "C2", "C3", "C4")} == {v.NO_DEFICIT}
        assert "C0: no deficit" in verdicts.at[("C2", o), "reason"]


def test_yes_or_no_is_compared_exactly():
    table, sheet = study(
        {
            "impl_surv": {
                "CTRL": [1] * 6,
                "DRUG": [1, 0, 0, 0, 0, 1],
                "PRE": [0] * 6,
                "POST": [1] * 6,
            }
        }
    )
    contrasts, _, _ = tables(table, sheet)
    c0 = contrasts[contrasts["contrast"] == "C0"]
    assert len(c0) == 1 and c0.iloc[0]["p"] == pytest.approx(0.02101, abs=1e-4)
    assert "exact unconditional" in c0.iloc[0]["method"] and c0.iloc[0]["lower"] < c0.iloc[0][
        "estimate"
    ] == pytest.approx(4 / 6)
    c4 = contrasts[contrasts["contrast"] == "C4"].iloc[
        0
    ]  # no variation at all inside the arms, and still a test
    assert c4["p"] == pytest.approx(2 * 0.5**12, rel=1e-6)
