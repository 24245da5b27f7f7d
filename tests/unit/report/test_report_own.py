"""Answers in the outcome's own unit: taken back by hand, in the outcome's own direction, with what they are."""

import math

import numpy as np
import pandas as pd
import pytest
from report_study import DICTIONARY

from periomics.report.answers import answers
from periomics.report.claims import VERDICT_COLUMNS, claim_groups
from periomics.report.estimates import CONTRAST_COLUMNS, RESCUE_COLUMNS
from periomics.report.own import own_units
from periomics.study.dictionary import load_dictionary
from periomics.study.interface.arms import COLUMNS as ARM_COLUMNS

KNOWN = load_dictionary(DICTIONARY)
UNITS = {"elac": "%", "mvd": "1/mm2", "neu": "1/mm2", "bone_exp": "0/1", "stage": "grade"}


def verdict(outcome, scale, estimate, lower, upper, **more):
    base = dict.fromkeys(VERDICT_COLUMNS, np.nan) | {
        "claim_id": "C2",
        "outcome": outcome,
        "contrast": "C2",
        "text": "better",
        "kind": "superiority",
        "verdict": "supported",
        "scale": scale,
        "unit": UNITS.get(outcome, "SD"),
        "variant": "",
        "domain": "",
        "level": 0.95,
        "n_animals": 12,
        "p_adj": 0.01,
        **dict.fromkeys(("reason", "margin", "confounded_with", "rule"), ""),
    }
    return pd.DataFrame([base | {"estimate": estimate, "lower": lower, "upper": upper} | more])


def arms(outcome, *values, estimand="geometric mean", scale="log", contrast="C2", **more):
    rows = [
        dict.fromkeys(ARM_COLUMNS, "")
        | dict(zip(("arm", "value", "lower", "upper"), v, strict=True))
        | {"outcome": outcome, "contrast": contrast, "unit": UNITS.get(outcome, "SD"), "n": 6}
        | {"estimand": estimand, "scale": scale, "time": np.nan, "sd": 0.3}
        for v in values
    ]
    return pd.DataFrame(rows).assign(**more)


def own(rows, of_arms, declared=None):
    return next(iter(own_units(rows, of_arms, declared or {}, KNOWN).values()))


def test_a_log_ratio_is_a_ratio_of_geometric_means_in_the_outcomes_own_direction():
    """Neutrophils: less is better, so a benefit of 0.888 is exp(−0.888) of the diseased arm's."""
    table = arms("neu", ("POST", 78.92, 51.1, 121.9), ("DRUG", 191.8, 74.9, 491.0))
    found = own(verdict("neu", "count", 0.888, -0.057, 2.29), table)
    assert (found.what, found.kind) == ("POST / DRUG", "ratio")
    assert found.effect == "0.41 [0.10, 1.06]"
    assert [round(math.exp(-x), 2) for x in (0.888, 2.29, -0.057)] == [0.41, 0.10, 1.06]
    assert found.arms == "POST 79 [51, 122], DRUG 192 [75, 491] per mm²"
    assert found.brief == "79 against 192 per mm²" and found.estimand.startswith("geometric means")


def test_a_log_odds_ratio_is_one_of_odds_and_never_a_difference_of_shares():
    table = arms(
        "elac",
        ("POST", 12.3, 8.2, 18.1),
        ("DRUG", 20.1, 14.0, 28.0),
        estimand="typical animal",
        scale="logit",
    )
    found = own(verdict("elac", "logit", 0.585, 0.1, 1.07), table)
    assert found.kind == "odds ratio" and found.what == "odds of POST / DRUG"
    assert found.effect == "0.56 [0.34, 0.90]"
    # 12.3 % against 20.1 %: the odds are .1403 and .2516.
    assert math.exp(-0.585) == pytest.approx(0.1403 / 0.2516, abs=0.002)
    assert found.brief == "12.3 against 20.1 %" and "logits" in found.estimand
    assert "−" not in found.effect


def test_an_end_says_on_which_side_of_no_effect_it_lies():
    table = arms("mvd", ("POST", 60, 50, 70), ("DRUG", 53, 45, 60))
    assert own(verdict("mvd", "log", 0.13, 0.0007, 0.258), table).effect == "1.139 [1.001, 1.294]"


def test_differences_within_units_ratios_of_ratios_and_trends():
    four = arms("mvd", *((a, 5, 4, 6) for a in ("a", "b", "c", "d")))
    found = own(verdict("mvd", "log", 0.2, 0.04, 0.35), four)
    assert (found.kind, found.effect) == ("ratio of ratios", "1.22 [1.04, 1.42]")
    trend = {"contrasts": {"C2": {"trend": "dose", "weights": {}}}}
    found = own(verdict("mvd", "log", math.log(1.5), math.log(1.2), math.log(1.9)), four[:0], trend)
    assert found.kind == "ratio per doubling of dose + 1:" and found.effect == "1.50 [1.20, 1.90]"
    within = arms("mvd", ("a", 5, 4, 6), ("b", 4, 3, 5), reason="between units")
    assert own(verdict("mvd", "log", 0.2, 0.04, 0.35), within).estimand.endswith("between units")


def test_yes_or_no_comes_from_counts_and_grades_are_medians():
    shares = arms(
        "bone_exp",
        ("POST", 1 / 6, 0.004, 0.64),
        ("DRUG", 5 / 6, 0.36, 0.996),
        estimand="share of animals",
    )
    found = own(verdict("bone_exp", "identity", 0.667, 0.1, 0.94), shares)
    assert found.effect == "−67 [−94, −10] percentage points" and found.what == "POST − DRUG"
    assert found.arms == "POST 1 of 6, 17 [0, 64], DRUG 5 of 6, 83 [36, 100] %"
    grades = arms("stage", ("POST", 1.5, 0, 3), ("DRUG", 3.5, 2, 4), estimand="median")
    found = own(verdict("stage", "identity", 0.4, 0.1, 0.5), grades)
    assert found.effect == "0.10 [0.00, 0.40]" and found.what == "P(POST higher)"
    assert found.estimand.startswith("medians; compared by ranks")
    assert found.arms == "POST 1.50 [0, 3], DRUG 3.50 [2, 4] grade" and found.kind == found.what


def test_rescue_is_R_at_the_level_of_its_verdict():
    three = arms(
        "elac",
        ("POST", 14, 10, 19),
        ("CTRL", 8, 6, 10),
        ("DRUG", 34, 28, 41),
        contrast="rescue POST",
    )
    about = {"kind": "rescue", "contrast": "rescue POST", "R": 0.77}
    bounded = verdict("elac", "logit", 0.4, 0.1, 0.8, **about, R_lower=0.61, R_upper=0.95)
    assert own(bounded, three).effect == "0.77 [0.61, 0.95]"
    none = verdict("elac", "logit", 0.4, -0.1, 0.8, **about, R_lower=np.nan, level=0.99)
    assert own(none, three).effect == "0.77, no bounds at 99 %"
    line = answers(bounded, {}, KNOWN, (), own_units(bounded, three, {}, KNOWN))[0].own
    assert line == ["POST 14.0, CTRL 8.0, DRUG 34.0 %, R 0.77 [0.61, 0.95]"]


@pytest.mark.parametrize(
    ("spread", "said"), [((0.3, 0.3), False), ((0.3, 1.2), True), ((1.2, 0.3), False)]
)
def test_unequal_spread_is_said_where_arithmetic_means_could_be_equal(spread, said):
    """Log-normal arms of SD .3 and 1.2 have equal arithmetic means at a ratio of exp((1.44 − .09) / 2) = 1.96."""
    table = arms("mvd", ("POST", 80, 60, 100), ("DRUG", 40, 20, 70), sd=spread)
    found = own(verdict("mvd", "log", math.log(2), math.log(1.2), math.log(3.3)), table)
    assert bool(found.caution) is said
    assert not said or "at a ratio of 1.96, which the interval holds" in found.caution
    open_ = own(verdict("mvd", "log", 0.1, -0.2, 0.4), table)
    assert open_.caution == ""


def test_answers_name_the_arms_once_and_leave_out_what_was_not_reached():
    rows = pd.concat(
        [
            verdict("mvd", "log", 0.36, 0.06, 0.68),
            verdict("neu", "log", 0.888, -0.057, 2.29, verdict="inconclusive"),
            verdict("elac", "logit", 0.5, 0.1, 0.9, verdict="not tested"),
        ]
    )
    table = pd.concat(
        [arms(o, ("POST", 60, 50, 70), ("DRUG", 53, 45, 60)) for o in ("mvd", "neu", "elac")]
    )
    lines = answers(rows, {}, KNOWN, (), own_units(rows, table, {}, KNOWN))[0].own
    assert lines[0] == "POST against DRUG" and len(lines) == 3
    assert lines[1] == "MVD 60 against 53 per mm², ratio 1.43 [1.06, 1.97]"
    one = answers(rows[:1], {}, KNOWN, (), own_units(rows[:1], table, {}, KNOWN))[0].own
    assert one == ["POST against DRUG: 60 against 53 per mm², ratio 1.43 [1.06, 1.97]"]


def shown(rows):
    tables = (pd.DataFrame(columns=list(c)) for c in (CONTRAST_COLUMNS, RESCUE_COLUMNS))
    return next(iter(claim_groups(rows, *tables, {}, KNOWN)[0].claims[0].verdicts.values()))


def test_an_inconclusive_verdict_says_what_would_decide_and_the_margin_has_its_interval():
    row = verdict("elac", "logit", 0.2, -0.3, 0.7, kind="non_superiority", verdict="inconclusive")
    found = shown(row.assign(n_to_decide=59.0, margin_lower=-0.9, margin_upper=0.1))
    assert found.decides == "about 59 per arm would decide" and found.beyond == "[−0.90, 0.10]"
    bare = shown(row)
    assert bare.decides == "" and bare.beyond == ""


def test_the_page_states_both_and_explains_them(toy):
    page = toy.page.replace("\u00a0", " ")
    assert "effect less margin [" in page and "per arm would decide" in page
    for term in ("geometric mean", "typical animal", "odds", "permutation floor"):
        assert f'<th scope="row">{term}</th>' in page


def test_a_difference_of_means_of_shares_ends_where_they_cannot_lie_farther_apart():
    at = {"estimand": "arithmetic mean", "scale": "identity"}
    table = arms("elac", ("POST", 2.0, 0.0, 20.0), ("DRUG", 90.0, 60.0, 100.0), **at)
    found = own(verdict("elac", "identity", 88.0, 60.0, 131.0), table)
    assert found.effect == "−88 [−100, −60] %" and "cannot lie farther apart" in found.estimand
    inside = own(verdict("elac", "identity", 88.0, 60.0, 99.0), table)
    assert inside.effect == "−88 [−99, −60] %" and "farther" not in inside.estimand
    # A count has no largest value.
    table = arms("neu", ("POST", 2.0, 0.0, 20.0), ("DRUG", 90.0, 60.0, 100.0), **at)
    assert "−131" in own(verdict("neu", "identity", 88.0, 60.0, 131.0), table).effect
