"""A verdict's reason and margin say what was done: few animals behind a margin, values left out, bounds, exact forms."""

from dataclasses import replace

import numpy as np
import pytest
from studies import analysed, study

from periomics.statistics.calibration import discrete_rates
from periomics.statistics.claims.estimates import contrast_table, rescue_table
from periomics.statistics.claims.excluded import beside_all
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan

ROLES = {"healthy": "CTRL", "disease": "DRUG", "treated": ["POST", "PRE"]}
DEFICIT = {"kind": "deficit", "value": 0.3}
DRUG, POST = [35.0, 38, 41, 33], [10.0, 12, 18, 14]
BLOCKS = {"blocks": True}
YES = {"CTRL": [0] * 4, "DRUG": [1] * 4, "POST": [0, 0, 1, 0]}


def plan(outcome, margin=DEFICIT, kinds=("non_superiority",), **more):
    one = {"contrast": "C2", "outcomes": [outcome] if isinstance(outcome, str) else outcome}
    claims = [{"id": k, "kind": k} | one for k in kinds]
    contrasts = {"C2": {"weights": {"POST": 1, "DRUG": -1}}}
    return read_plan(
        {"margin": margin, "domains": {}, "contrasts": contrasts, "claims": claims} | more, ROLES
    )


def judged(outcome, arms, batches=None, **options):
    table, sheet = study({outcome: arms})
    if batches:
        table["batch"] = table["condition"].map(batches)
    known = analysed(table, sheet, plan(outcome, **options))
    return verdict_table(known).iloc[0], known


@pytest.mark.parametrize("few", [1, 2])
@pytest.mark.parametrize(
    ("outcome", "arms"), [("elac", {"DRUG": DRUG, "POST": POST}), ("bone_exp", YES)]
)
def test_a_margin_needs_as_many_animals_as_an_effect(outcome, arms, few):
    healthy = {"elac": [8.0, 9.0], "bone_exp": [0, 0]}[outcome][:few]
    found, _ = judged(outcome, arms | {"CTRL": healthy})
    assert found["verdict"] == "not judged" and np.isnan(found["p"]) and found["margin"] == ""
    assert f"margin not defined here: fewer than 3 animals in CTRL ({few})" in found["reason"]
    whole, _ = judged(outcome, arms | {"CTRL": {"elac": [8.0, 9, 7], "bone_exp": [0] * 3}[outcome]})
    assert whole["verdict"] != "not judged" and whole["margin"] == "0.3 of the deficit"


def test_a_deficit_that_is_a_batch_is_no_margin():
    arms = {"CTRL": [8.0, 9, 7, 10], "DRUG": DRUG, "POST": POST}
    found, _ = judged("elac", arms, {"CTRL": "b1", "DRUG": "b2", "POST": "b2"})
    assert found["verdict"] == "not judged"
    assert "margin not defined here: batch and arm cannot be told apart" in found["reason"]


def test_margins_count_no_half_answers():
    found, _ = judged("bone_exp", YES | {"CTRL": [0.5] * 4})
    assert found["verdict"] == "not judged"
    assert "yes or no holds other values than 1 and 0" in found["reason"]


@pytest.mark.parametrize("impossible", [2, 4])
def test_refusals_name_the_animals_that_were_left_out(impossible):
    drug = [460.0] * impossible + DRUG[impossible:]
    found, _ = judged("elac", {"CTRL": [8.0, 9, 7], "DRUG": drug, "POST": POST})
    assert found["verdict"] == "not judged"
    assert "left out, since the value cannot be: DRUG0 (460 %)" in found["reason"]
    first = "no measured animals in DRUG" if impossible == 4 else "fewer than 3 animals in DRUG (2)"
    assert found["reason"].startswith(first)


def test_shares_of_0_and_100_say_how_they_can_be_judged_and_claim_no_bound():
    arms = {"CTRL": [0.0] * 4, "DRUG": [100.0] * 4, "POST": [0.0, 0, 100, 100]}
    found, known = judged("elac", arms)
    assert found["reason"].endswith("every share is 0 or 100 %: judge it as yes or no")
    assert not contrast_table(known, 1)["reason"].str.contains("bounded").any()


def test_bayes_and_dunnett_are_silent_where_an_arm_is_bounded():
    arms = {"CTRL": [8.0, 9, 7], "DRUG": [100.0] * 4, "POST": POST, "PRE": [60.0, 70, 66, 80]}
    found, known = judged("elac", arms)
    assert np.isnan(found["bf01"]) and np.isfinite(found["tost_p"])
    row = contrast_table(known, 1).iloc[0]
    assert np.isfinite(row["p"]) and row[["bf01", "p_dunnett"]].isna().all()
    assert "all 4 of DRUG at 100: bounded" in row["reason"]
    plain, known = judged("elac", arms | {"DRUG": [90.0, 95, 97, 92]})
    assert np.isfinite(plain["bf01"])
    assert contrast_table(known, 1).iloc[0][["bf01", "p_dunnett"]].notna().all()


def test_a_deficit_that_was_shown_bounds_its_set():
    arms = {"CTRL": [0] * 3, "DRUG": [1] * 3, "POST": [0, 0, 1]}
    row = rescue_table(judged("bone_exp", arms)[1]).iloc[0]
    assert row["deficit_p"] == pytest.approx(2 / 2**6) and row["bounded"]
    assert "deficit not established" not in row["set"] + row["reason"]


def test_a_deficit_shown_by_two_arms_alone_leaves_a_set_open_for_another_reason():
    arms = {"CTRL": [1, 0, 0], "DRUG": [1] * 6, "POST": [0, 0, 1]}
    row = rescue_table(judged("bone_exp", arms)[1]).iloc[0]
    # Barnard's p of 1 of 3 against 6 of 6, by counting: 10 / 256.
    assert row["deficit_p"] == pytest.approx(10 / 256) and not row["bounded"]
    assert "limits of three arms are wider" in row["set"]
    assert "limits of three arms are wider" in row["reason"]
    assert "deficit not established" not in row["set"] + row["reason"]


@pytest.mark.parametrize(
    ("outcome", "well", "ill", "treated"),
    [
        ("elac", [8.0, 9, 7, 10], DRUG, POST),
        ("bone_exp", [0] * 4, [1] * 4, [0, 1, 1, 1]),
        ("mucosa_open", [0.0, 0, 0, 1], [5.0, 6, 7, 5], [3.0, 4, 3, 2]),
    ],
)
def test_shares_of_a_deficit_need_a_diseased_arm_that_is_the_worse_one(outcome, well, ill, treated):
    """No gate asks: R and margins would be said of a "deficit" that is none."""
    rescue = {"id": "R", "kind": "rescue", "arm": "POST", "threshold": 0.5, "outcomes": [outcome]}
    for turned in (False, True):
        arms = {"CTRL": ill if turned else well, "DRUG": well if turned else ill, "POST": treated}
        _, known = judged(outcome, arms)
        claims = (*known.plan.claims, *read_plan({"claims": [rescue]}, ROLES).claims)
        found = verdict_table(known.under(replace(known.plan, claims=claims)))
        lost = found["reason"].str.contains("DRUG is no worse than CTRL: there is no deficit")
        assert lost.tolist() == [turned] * 2
        assert (found["verdict"] == "not judged").tolist() == [turned] * 2


def test_a_spread_that_rounding_hides_is_not_said_to_be_none():
    far = {a: [1e14 + y for y in ys] for a, ys in (("DRUG", DRUG), ("POST", POST))}
    found, _ = judged("insertion", far, kinds=("superiority",))
    assert found["reason"].startswith("the spread within the arms is lost beside the size")


def test_values_that_vary_between_doses_alone_are_said_so():
    trend = {"T": {"weights": {"POST": 1, "DRUG": -1}, "trend": "dose"}}
    claim = {"id": "T", "kind": "dose_trend", "contrast": "T", "outcomes": ["insertion"]}
    table, sheet = study({"insertion": {"DRUG": [1] * 3, "POST": [2] * 3 + [3] * 3}})
    table["dose"] = [0] * 3 + [1] * 3 + [2] * 3
    stepped = plan("insertion", contrasts=trend, claims=[claim])
    reason = verdict_table(analysed(table, sheet, stepped))["reason"][0]
    assert reason.startswith("the values do not vary within the doses")


def test_exact_verdicts_say_how_their_margin_is_judged():
    found, _ = judged("bone_exp", YES)
    assert "; margin by weighted sum of shares" in found["reason"]
    grades = {"DRUG": [3] * 6, "POST": [1] * 6}
    found, _ = judged("stage", grades, margin={"kind": "raw", "value": 0.3})
    assert found["margin"] == "0.3 in P(better) − ½"
    few, _ = judged("stage", {"DRUG": [3] * 3, "POST": [1] * 3}, kinds=("superiority",))
    assert "a permutation test cannot reach 0.05 here (floor 0.1)" in few["reason"]


def test_a_supported_verdict_below_the_floor_of_permutations_says_what_it_rests_on():
    arms = {"DRUG": [50.0, 55, 52], "POST": [90.0, 88, 93]}
    found, _ = judged("mvd", arms, kinds=("superiority",), margin={"kind": "sd", "value": 0.8})
    assert found["verdict"] == "supported"
    assert "(floor 0.1), the verdict rests on the t distribution" in found["reason"]


def test_blocks_that_are_added_up_unevenly_are_said():
    table, sheet = study({"bone_exp": {a: [*ys, 0, 1] for a, ys in YES.items()}})
    for uneven in (False, True):
        sheet["block"] = [f"b{int(a[-1]) % 2}" for a in sheet["animal_id"]]
        if uneven:
            sheet.loc[sheet["animal_id"].isin(["CTRL0", "CTRL2"]), "block"] = "b1"
        known = analysed(table, sheet, plan("bone_exp", design=BLOCKS))
        reason = verdict_table(known).iloc[0]["reason"]
        assert ("blocks added up, although" in reason) == uneven


def test_blocks_of_one_animal_each_are_left_out_with_a_word():
    table, sheet = study({"elac": {"CTRL": [8.0, 9, 7, 10], "DRUG": DRUG, "POST": POST}})
    known = analysed(table, sheet.assign(block=sheet["animal_id"]), plan("elac", design=BLOCKS))
    assert "blocks left out: each animal has one of its own" in verdict_table(known)["reason"][0]


def test_a_claim_over_all_outcomes_stands_beside_itself_when_one_is_excluded_altogether():
    values = {
        "elac": {"DRUG": DRUG, "POST": POST},
        "neu": {"DRUG": [260.0, 240, 250], "POST": [90.0, 99, 80]},
    }
    claim = {
        "id": "A",
        "kind": "superiority",
        "contrast": "C2",
        "combine": "all",
        "outcomes": ["elac", "neu"],
    }
    both = read_plan(
        {
            "margin": DEFICIT,
            "domains": {},
            "contrasts": {"C2": {"weights": {"POST": 1, "DRUG": -1}}},
            "claims": [claim],
        },
        ROLES,
    )
    table, sheet = study(values)
    everyone = verdict_table(analysed(table, sheet, both))
    kept = verdict_table(analysed(table[table["outcome"] == "elac"], sheet, both))
    beside = beside_all(kept, everyone)
    whole = beside[beside["outcome"].str.startswith("all of")].iloc[0]
    assert whole["n_animals"] == 8 and whole["n_animals_all"] == 6


def test_a_margin_in_shares_is_a_truth_in_the_calibration():
    """Half the treated and all the diseased have it: the effect .5 lies .2 beyond a margin of .3."""
    the_plan = plan("bone_exp", margin={"kind": "raw", "value": 0.3})
    place = type("Place", (), {"arms": ("CTRL", "DRUG", "POST")})
    p = np.array([[1.0, 1.0, 0.5], [0.0, 0.0, 0.5]])  # answers are turned towards healthy
    effect, false = discrete_rates._truth(the_plan, the_plan.claims[0], p, place, "binary")
    assert effect == pytest.approx(0.5) and false == {
        "false_supported": ("supported", "improved but below the margin")
    }
