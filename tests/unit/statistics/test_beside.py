"""What stands beside contrasts and verdicts: ranks, Bayes factors, Dunnett, Grubbs, losses, summaries over time, associations."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from studies import CLAIMS, CORE, DICTIONARY, MEANS, analysed, analysis, plan, row, simulated, study

from periomics.outcomes.aggregate import COLUMNS as ANIMAL_COLUMNS
from periomics.statistics.claims import checks
from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.animals import cuts, prepare
from periomics.statistics.claims.estimates import contrast_table
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.losses import loss_table
from periomics.statistics.claims.plan import Adjustment
from periomics.statistics.claims.repeated import with_summaries
from periomics.statistics.kernels.bayes import bf01, ceiling
from periomics.statistics.kernels.dunnett import many_to_one

CONFIRMATORY = ["C0", "C1", "C2", "C4"]


def tables(table, sheet, the_plan=None, associations=None):
    known = analysed(table, sheet, the_plan or plan(claims=CORE))
    return contrast_table(known, 1), verdict_table(known, associations)


def test_checks_are_those_of_their_functions():
    table, sheet = simulated(n=5)
    contrasts, _ = tables(table, sheet)
    values = {
        a: table.loc[(table["outcome"] == "mvd") & (table["condition"] == a), "value"].to_numpy()
        for a in ("DRUG", "POST")
    }
    found = contrasts[
        (contrasts["outcome"] == "mvd")
        & (contrasts["contrast"] == "C2")
        & (contrasts["kind"] == "confirmatory")
    ].iloc[0]
    ranks = stats.brunnermunzel(values["DRUG"], values["POST"])
    assert (found["rank_effect"] > 0.5) == (ranks.statistic > 0)
    t = found["estimate"] / found["se"]
    assert found["bf01"] == pytest.approx(float(bf01(t, 2.5, found["df"])))
    assert found["bf01_ceiling"] == pytest.approx(float(ceiling(2.5, found["df"])))
    assert (found["ratio_lower"], found["ratio_upper"]) == pytest.approx(
        (np.exp(found["lower"]), np.exp(found["upper"]))
    )


def test_dunnett_stands_where_treated_arms_meet_the_diseased_one():
    table, sheet = simulated()
    contrasts, _ = tables(table, sheet)
    own = contrasts[
        (contrasts["kind"] == "confirmatory") & (contrasts["outcome"] == "mvd")
    ].set_index("contrast")
    assert own["p_dunnett"].notna().to_dict() == {"C0": False, "C1": True, "C2": True, "C4": False}
    p = plan()
    rows = prepare(table, sheet, DICTIONARY)
    cut = cuts(rows[rows["outcome"] == "mvd"], p.contrasts["C1"], p.role_arms)[0]
    places = [cut.arms.index(a) for a in ("PRE", "POST")]
    peer = many_to_one(cut.summary(), cut.arms.index("DRUG"), places)
    assert own.loc[["C1", "C2"], "p_dunnett"].tolist() == pytest.approx(peer.p.tolist())
    assert (own["p_dunnett"].dropna() >= own.loc[["C1", "C2"], "p"]).all()


def test_largest_residual_flags_one_animal_and_keeps_its_level():
    p = plan()
    rng = np.random.default_rng(1)

    def flag(values):
        rows = prepare(*study({"conn": values}), DICTIONARY)
        return checks.largest_residual(cuts(rows, p.contrasts["C2"], p.role_arms)[0])

    arms = ("CTRL", "DRUG", "PRE", "POST")
    found = np.array([flag({a: rng.normal(5, 1, 6) for a in arms}) for _ in range(300)])
    assert (
        stats.binomtest(int((found < 0.05).sum()), 300).proportion_ci(0.99).low <= 0.05
        and (found < 0.2).any()
    )
    wild = {a: rng.normal(5, 1, 6) for a in arms}
    wild["POST"][2] = 25.0
    assert flag(wild) < 1e-4
    # By statsmodels: deleted residuals of a model of arms, Bonferroni over animals.
    wild["POST"][2] = 8.5
    arm = np.repeat(arms, 6)
    design = (arm[:, None] == np.array(arms)).astype(float)
    model = sm.OLS(np.concatenate([wild[a] for a in arms]), design).fit()
    truth = model.outlier_test()[:, 2].min()
    assert 1e-4 < truth < 0.9 and flag(wild) == pytest.approx(truth)
    assert np.isnan(flag({a: [3.0] * 6 for a in arms}))


def test_evidence_of_absence_stands_beside_non_superiority():
    table, sheet = simulated()
    _, verdicts = tables(table, sheet)
    c1 = verdicts[(verdicts["claim_id"] == "C1") & (verdicts["verdict"] != v.NOT_JUDGED)]
    assert (
        c1[["tost_p", "bf01", "bf01_ceiling"]].notna().all(axis=None)
        and (c1["bf01"] < c1["bf01_ceiling"]).all()
    )
    assert verdicts.loc[verdicts["kind"] == "superiority", "bf01"].isna().all()


def lost_study():
    table, sheet = simulated()
    gone = ["DRUG0", "DRUG3", "PRE1"]
    table = table[~table["animal_id"].isin(gone)]
    kept = [
        row(a, "impl_surv", sheet.set_index("animal_id").at[a, "group"], 0.0 if a in gone else 1.0)
        for a in sheet["animal_id"]
    ]
    return pd.concat(
        [table, pd.DataFrame(kept, columns=list(ANIMAL_COLUMNS))], ignore_index=True
    ), sheet


def test_lost_animals_are_ranked_worst_and_the_bias_is_said():
    table, sheet = lost_study()
    p, prepared = plan(claims=CORE), prepare(*lost_study(), DICTIONARY)
    losses = loss_table(analysis(p, prepared), 1).set_index(["outcome", "contrast"])
    assert set(losses.index) == {(o, c) for o in MEANS for c in CONFIRMATORY}
    c2 = losses.loc[("mvd", "C2")]
    assert (c2["n_first"], c2["n_second"], c2["lost_first"], c2["lost_second"]) == (6, 4, 0, 2)
    assert c2["effect_worst_rank"] >= c2["effect_available"] and c2["bias"]
    # Counting the lost as worst by hand: every POST animal fares better than both.
    assert c2["effect_worst_rank"] == pytest.approx((c2["effect_available"] * 6 * 4 + 12) / 36)
    contrasts, _ = tables(table, sheet)
    assert (
        contrasts.loc[
            (contrasts["contrast"] == "C2") & (contrasts["outcome"] == "mvd"), "n_animals"
        ]
        == 10
    ).all()


def test_without_losses_the_table_is_empty_with_its_header():
    prepared = prepare(*simulated(), DICTIONARY)
    found = loss_table(analysis(plan(), prepared), 1)
    assert found.empty and "p_worst_rank" in found.columns


def test_repeated_times_become_slope_and_mean_level():
    rng = np.random.default_rng(3)
    slopes = {"CTRL": -0.5, "DRUG": -3.0, "PRE": -2.5, "POST": -1.0}
    rows, groups = [], {}
    for arm, slope in slopes.items():
        for i in range(6):
            own = slope + rng.normal(0, 0.2)
            groups[f"{arm}{i}"] = arm
            rows += [
                row(f"{arm}{i}", "weight", arm, 200 + own * t + rng.normal(0, 0.1), time=float(t))
                for t in (0, 7, 14, 28)
            ]
    sheet = pd.DataFrame(
        {"animal_id": list(groups), "group": list(groups.values()), "unit": "animal", "block": ""}
    )
    table = pd.DataFrame(rows, columns=list(ANIMAL_COLUMNS))
    prepared = with_summaries(prepare(table, sheet, DICTIONARY))
    slope = prepared[prepared["variant"] == "summary=slope"]
    assert len(slope) == 24 and set(slope["unit"]) == {"g/d"}
    assert slope.groupby("condition")["value"].mean()["DRUG"] == pytest.approx(-3.0, abs=0.3)
    contrasts, _ = tables(table, sheet)
    own = contrasts[
        (contrasts["variant"] == "summary=slope") & (contrasts["contrast"] == "C2")
    ].iloc[0]
    assert (
        own["estimate"] == pytest.approx(2.0, abs=0.4)
        and own["kind"] == "secondary"
        and own["n_animals"] == 12
    )
    claims = [
        {
            "id": "W",
            "kind": "superiority",
            "contrast": "C2",
            "outcomes": ["weight"],
            "variant": "summary=slope",
        }
    ]
    declared = plan(claims=claims, directions={"weight": "+"}, margin={"kind": "sd", "value": 0.8})
    assert tables(table, sheet, declared)[1]["verdict"].tolist() == [v.SUPPORTED]


ASSOCIATION = {
    "id": "L",
    "kind": "association",
    "score": "score:signature:ANG_sprouting",
    "outcomes": ["mvd", "neu"],
}


@pytest.mark.parametrize(
    ("r", "lower", "upper", "p_adj", "expected"),
    [
        (0.7, 0.3, 0.9, 0.01, v.SUPPORTED),
        (0.7, 0.3, 0.9, 0.2, v.INCONCLUSIVE),
        (0.2, -0.3, 0.6, 0.5, v.INCONCLUSIVE),
        (-0.7, -0.9, -0.3, 0.01, v.REFUTED),
        (0.9, np.nan, np.nan, np.nan, v.NOT_JUDGED),
    ],
)
def test_association_claims(r, lower, upper, p_adj, expected):
    linked = pd.DataFrame(
        [
            {
                "outcome": "mvd",
                "score_id": ASSOCIATION["score"],
                "r": r,
                "lower": lower,
                "upper": upper,
                "p": p_adj,
                "p_adj": p_adj,
                "n": 16,
                "reason": "no test below 12 units" if np.isnan(p_adj) else "",
            },
        ]
    )
    declared = plan(claims=[*CLAIMS["claims"][:1], ASSOCIATION])
    _, verdicts = tables(*simulated(), declared, linked)
    own = verdicts[verdicts["claim_id"] == "L"].set_index("outcome")
    assert own.at["mvd", "verdict"] == expected and own.at["neu", "verdict"] == v.NOT_JUDGED
    assert verdicts["claim_id"].tolist()[:5] == ["C0"] * 5
    assert expected == v.NOT_JUDGED or "nothing of causes" in own.at["mvd", "reason"]


def test_less_inflammation_is_better_in_associations_too():
    linked = pd.DataFrame(
        [
            {
                "outcome": "neu",
                "score_id": ASSOCIATION["score"],
                "r": -0.7,
                "lower": -0.9,
                "upper": -0.3,
                "p": 0.01,
                "p_adj": 0.01,
                "n": 16,
                "reason": "",
            }
        ]
    )
    _, verdicts = tables(*simulated(), plan(claims=[ASSOCIATION]), linked)
    assert verdicts.set_index("outcome").at["neu", "verdict"] == v.SUPPORTED


def blocked(shift=8.0, seed=5):
    """Animals of three surgery days whose levels differ widely."""
    table, sheet = simulated(seed)
    day = np.arange(len(sheet)) % 3
    sheet = sheet.assign(
        block=[f"d{d}" for d in day], weight_g=180.0 + np.arange(len(sheet)) % 7, sex="F"
    )
    of = dict(zip(sheet["animal_id"], day, strict=True))
    table["value"] = [
        v * np.exp(shift / 10 * of[a])
        for v, a in zip(table["value"], table["animal_id"], strict=True)
    ]
    return table[table["outcome"] == "mvd"], sheet


def test_blocks_narrow_the_interval_and_are_named():
    table, sheet = blocked()
    with_blocks, _ = tables(table, sheet)
    without, _ = tables(table, sheet, plan(claims=CORE, design={"blocks": False}))
    own, plain = (
        t[(t["contrast"] == "C2") & (t["kind"] == "confirmatory")].iloc[0]
        for t in (with_blocks, without)
    )
    assert (
        own["se"] < 0.4 * plain["se"]
        and "adjusted for block" in own["method"]
        and "Satterthwaite" in plain["method"]
    )


def test_covariates_enter_and_what_cannot_is_said():
    table, sheet = blocked(0.0)
    declared = plan(claims=CORE, design={"blocks": False, "covariates": ["weight_g", "sex"]})
    found = tables(table, sheet, declared)[0]
    own = found[found["kind"] == "confirmatory"].iloc[0]
    assert (
        "adjusted for weight" in own["method"] and "sex left out: it does not vary" in own["reason"]
    )
    hole = sheet.assign(weight_g=sheet["weight_g"].where(sheet["animal_id"] != "DRUG0"))
    own = tables(table, hole, declared)[0].iloc[0]
    assert "set to the mean of all" in own["reason"]
    p, rows = plan(), prepare(table, sheet, DICTIONARY)
    cut = cuts(rows, p.contrasts["C2"], p.role_arms, Adjustment(True, ("weight_g",)))[0]
    assert cut.adjusted_for == ("block", "weight_g")


def test_contrast_of_arms_that_share_no_block_is_refused_by_name():
    table, sheet = blocked()
    sheet["block"] = sheet["group"].map({"POST": "d9"}).fillna("d1")
    contrasts, verdicts = tables(table, sheet)
    own = contrasts[(contrasts["contrast"] == "C2") & (contrasts["kind"] == "confirmatory")].iloc[0]
    assert (
        "block and arm" in own["reason"]
        and "POST only in d9" in own["reason"]
        and np.isnan(own["p"])
    )
    assert verdicts.set_index(["claim_id", "outcome"]).at[("C2", "mvd"), "verdict"] == v.NOT_JUDGED
