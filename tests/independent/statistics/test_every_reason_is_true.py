"""One small study for each reason that a verdict prints: it is printed where it is true, and not
where it is not."""

import numpy as np
import pandas as pd
import pytest

from periomics.outcomes.aggregate import COLUMNS
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.study.dictionary import load_dictionary

TEAM = load_dictionary("resources/outcomes.tsv")
GRADE = TEAM.loc["bone_exp"].to_dict() | {"outcome": "grade", "kind": "ordinal", "most": 4}
DICTIONARY = pd.concat([TEAM, pd.DataFrame([GRADE], index=["grade"])])
ROLES = {"healthy": "CTRL", "disease": "DRUG", "treated": ["POST"]}
SOUND = {"CTRL": [95, 88, 104, 99], "DRUG": [55, 49, 61, 58], "POST": [86, 79, 92, 81]}
GATE = {"id": "C0", "kind": "gate", "contrast": "C0"}
SUPERIOR = {"id": "C2", "kind": "superiority", "contrast": "C2"}
RESCUE = {"id": "C3", "kind": "rescue", "arm": "POST"}
TREND = {"id": "T", "kind": "dose_trend", "contrast": "T", "margin": {"kind": "sd", "value": 0.8}}
CONTRASTS = {
    "C0": {"weights": {"CTRL": 1, "DRUG": -1}},
    "C2": {"weights": {"POST": 1, "DRUG": -1}},
    "two": {"weights": {"POST": 0.5, "CTRL": 0.5, "DRUG": -1}},
    "T": {"weights": {"POST": 1, "DRUG": -1}, "trend": "dose"},
}


def reasons(values=SOUND, claims=(SUPERIOR,), outcome="mvd", roles=ROLES, rows=None, **declared):
    """Reasons by claim; `rows` changes the table of animals, which also holds what their sheet
    says."""
    base = dict.fromkeys(COLUMNS, "") | dict.fromkeys(("dose", "numerator", "denominator"), np.nan)
    base |= {"time": 28.0, "time_unit": "d", "status": "measured", "outcome": outcome}
    table = pd.DataFrame(
        [
            base
            | {"animal_id": f"{arm}{i}", "condition": arm, "value": float(y)}
            | {"unit_of": "animal", "block": "", "weight_g": 200.0 + i, "sex": "FM"[i % 2]}
            for arm, ys in values.items()
            for i, y in enumerate(ys)
        ]
    ).assign(unit=str(DICTIONARY["unit"][outcome]))
    table = rows(table) if rows else table
    known = table.rename(columns={"unit": "unit_", "unit_of": "unit"})
    sheet = known[["animal_id", "unit", "block", "weight_g", "sex"]].drop_duplicates("animal_id")
    claims = [{"outcomes": [outcome]} | c for c in claims]
    plan = read_plan({"contrasts": CONTRASTS, "claims": claims} | declared, roles)
    animals = prepare(table[list(COLUMNS)], sheet, DICTIONARY)
    found = verdict_table(Analysis(plan, animals, DICTIONARY)).set_index("claim_id")
    return found["reason"].to_dict(), found


def per(column, of):
    """A column of the table by arm and number of the animal."""
    return lambda t: t.assign(**{column: [of(a[:-1], int(a[-1])) for a in t["animal_id"]]})


def within(t):
    """The same units in every arm."""
    return t.assign(animal_id=["D" + a[-1] for a in t["animal_id"]], unit_of="donor")


def no_animal_spare(t):
    """Six animals in three blocks with a weight and a sex that neither arm nor block explains."""
    return t.assign(
        block=["b" + a[-1] for a in t["animal_id"]],
        weight_g=[200.0, 205, 190, 207, 212, 231],
        sex=["F", "M", "M", "F", "F", "M"],
    )


def doses(of):
    return lambda t: t.assign(dose=[of(a[:-1], int(a[-1])) for a in t["animal_id"]])


def arms(ctrl, drug, post):
    return {"CTRL": ctrl, "DRUG": drug, "POST": post}


FLAT = {a: [ys[0]] * 4 for a, ys in SOUND.items()}
YES = arms([0] * 4, [1] * 4, [0, 1, 0, 0])
SKEWED = arms([0, 3, 90, 700], [0, 2, 60, 500], [1, 9, 200, 900])
STEPS = {a: [y + k for y in (50, 55, 61, 70)] for a, k in zip(SOUND, (9, 0, 5), strict=True)}
TWIN = {"CTRL": SOUND["CTRL"], "DRUG": [55.1234, 55.1234, 61, 58], "POST": SOUND["POST"]}
SHARES = arms([0] * 4, [30, 35, 28, 41], [12, 15, 10, 18])
# What is asked, the words, and the claim that prints them.
REASONS = {
    "technical": (
        {"rows": per("unit_of", lambda a, i: "technical")},
        "C2",
        "technical replicates",
    ),
    "batch": ({"rows": per("batch", lambda a, i: a)}, "C2", "batch and arm cannot be told apart"),
    "block": ({"rows": per("block", lambda a, i: a)}, "C2", "block and arm cannot be told apart"),
    "no scale": (
        {"values": arms([0] * 4, [100] * 4, [0] * 4), "outcome": "necr"},
        "C2",
        "every share is 0 or 100 %",
    ),
    "few": ({"values": SOUND | {"POST": [86, 79]}}, "C2", "fewer than 3 animals in POST (2)"),
    "no dose": (
        {"claims": [TREND], "rows": doses(lambda a, i: np.nan if a == "POST" and not i else i % 2)},
        "T",
        "1 animals have no dose",
    ),
    "one dose": ({"claims": [TREND], "rows": doses(lambda a, i: 2.0)}, "T", "have the same dose"),
    "few of a dose": (
        {"claims": [TREND], "rows": doses(lambda a, i: 0.0 if a != "POST" else 1.0 + (i == 3))},
        "T",
        "fewer than 3 animals at dose 2 (1)",
    ),
    "skewed sizes": (
        {"values": SKEWED, "outcome": "tbth"},
        "C2",
        "on the logarithm, more than 0.75",
    ),
    "equal differences": (
        {"values": STEPS, "rows": within, "outcome": "ridge"},
        "C2",
        "all differences within units are equal",
    ),
    "few whole units": (
        {
            "values": SOUND,
            "rows": lambda t: within(t)[(t["condition"] != "POST") | (t.index % 4 < 2)],
            "claims": [SUPERIOR | {"contrast": "C2"}],
        },
        "C2",
        "fewer than 3 units",
    ),
    "no animals left": (
        {
            "values": {a: ys[:3] for a, ys in SOUND.items() if a != "CTRL"},
            "rows": no_animal_spare,
            "design": {"covariates": ["weight_g", "sex"]},
        },
        "C2",
        "leave no animals to compare: not estimable",
    ),
    "no spread": ({"values": FLAT}, "C2", "the values do not vary within the arms"),
    "all or none": (
        {"values": arms([0] * 4, [100] * 4, [50, 45, 55, 60]), "outcome": "necr", "claims": [GATE]},
        "C0",
        "every animal at the least or the largest value: taken as yes or no",
    ),
    "same value": (
        {"values": {a: [50] * 4 for a in SOUND}},
        "C2",
        "all animals of the contrasted arms have the same value",
    ),
    "no margin": (
        {"values": {a: SOUND[a] for a in ("DRUG", "POST")}},
        "C2",
        "margin not defined here: no healthy and disease arms",
    ),
    "yes or no within": (
        {"values": YES, "rows": within, "outcome": "bone_exp"},
        "C2",
        "are not compared within units",
    ),
    "half a yes": (
        {"values": YES | {"POST": [0, 0.5, 0, 0]}, "outcome": "bone_exp"},
        "C2",
        "yes or no holds other values than 1 and 0",
    ),
    "grades of three": (
        {"values": YES, "claims": [SUPERIOR | {"contrast": "two"}], "outcome": "grade"},
        "C2",
        "grades are compared between two arms only",
    ),
    "grades' rescue": (
        {"values": YES, "claims": [RESCUE], "outcome": "grade"},
        "C3",
        "no distances",
    ),
    "trend of yes": (
        {"values": YES, "claims": [TREND], "outcome": "bone_exp", "rows": doses(lambda a, i: 1.0)},
        "T",
        "a trend over doses is not fitted",
    ),
    "no direction": (
        {"values": SHARES, "outcome": "bvtv"},
        "C2",
        "no declared direction of benefit",
    ),
    "not measured": (
        {"claims": [SUPERIOR | {"outcomes": ["neu"]}]},
        "C2",
        "not measured in this study",
    ),
    "no variant": ({"claims": [SUPERIOR | {"variant": "x"}]}, "C2", "variant 'x' not measured"),
    "floor": (
        {"values": {a: ys[:3] for a, ys in SOUND.items()}},
        "C2",
        "a permutation test cannot reach 0.05 here (floor 0.1)",
    ),
    "no deficit": (
        {"values": SOUND | {"CTRL": SOUND["DRUG"]}, "claims": [GATE]},
        "C0",
        "the deficit was not shown on the declared side",
    ),
    "no share": (
        {
            "claims": [
                SUPERIOR | {"family": "g", "correction": "graph"},
                SUPERIOR | {"id": "X", "family": "g", "correction": "graph"},
            ],
            "graphs": {"g": {"weights": {"C2": 1}}},
        },
        "X",
        "no share of the level of family g reached it",
    ),
    "means": (
        {"values": SHARES, "outcome": "necr"},
        "C2",
        "arithmetic means of animals are compared (no logit scale: 4 share(s) at 0 or 100 %)",
    ),
    "bounded": (
        {"values": SHARES, "outcome": "necr", "claims": [GATE]},
        "C0",
        "all 4 of CTRL at 0: bounded by the at most 53 % of such animals",
    ),
    "blocks of means": (
        {"values": SHARES, "outcome": "necr", "rows": per("block", lambda a, i: f"b{i % 2}")},
        "C2",
        "blocks do not move means alike",
    ),
    "twins": ({"values": TWIN}, "C2", "DRUG0 and DRUG1 have the same values throughout"),
    "some blocks": (
        {"rows": per("block", lambda a, i: f"b{i % 2}" if i else "")},
        "C2",
        "blocks left out: some animals have none",
    ),
    "constant weight": (
        {"rows": per("weight_g", lambda a, i: 200.0), "design": {"covariates": ["weight_g"]}},
        "C2",
        "weight_g left out: it does not vary",
    ),
    "a weight lacks": (
        {
            "rows": per("weight_g", lambda a, i: 200.0 + i if i else np.nan),
            "design": {"covariates": ["weight_g"]},
        },
        "C2",
        "set to the mean of all, blind to arms",
    ),
    "no counts": ({}, "C2", "counts and areas not given for every animal"),
    "R without ends": (
        {"values": SOUND | {"CTRL": [60, 45, 70, 52]}, "claims": [RESCUE]},
        "C3",
        "unbounded: deficit not established",
    ),
}


@pytest.mark.parametrize("name", REASONS)
def test_a_reason_is_printed_where_it_is_true(name):
    asked, claim, words = REASONS[name]
    found, _ = reasons(**asked)
    assert words in found[claim], found[claim]
    if name not in ("no counts", "floor"):
        sound, _ = reasons(claims=[GATE, SUPERIOR, RESCUE])
        assert all(words not in text for text in sound.values())


def test_no_other_refusal_stands_beside_the_true_one():
    """Arms that each hold one value, and different ones, do not "have the same value"; two arms at
    50 do."""
    assert "the same value" not in reasons(values=FLAT)[0]["C2"]
    assert "do not vary within" not in reasons(values={a: [50] * 4 for a in SOUND})[0]["C2"]
    answered = reasons(values=YES, outcome="bone_exp")[1].loc["C2"]
    assert answered["verdict"] != "not judged" and "same value" not in answered["reason"]
