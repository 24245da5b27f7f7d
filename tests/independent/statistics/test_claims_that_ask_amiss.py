"""Claims as a referee would break them: refused or flagged in one line before data, or judged with
a true reason."""

import copy
import math

import numpy as np
import pandas as pd
import pytest

from periomics.outcomes.aggregate import COLUMNS
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import prepare
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.study.check.asked import check_asked
from periomics.study.check.design import check_design
from periomics.study.check.values import check_values
from periomics.study.claims import check_form
from periomics.study.dictionary import load_dictionary
from periomics.study.study import load_study

DICTIONARY = load_dictionary("resources/outcomes.tsv")
ROLES = {"healthy": "CTRL", "disease": "DRUG", "treated": ["POST"]}
CLAIMS = {
    "domains": {"vessels": "mvd"},
    "contrasts": {
        "C0": {"weights": {"healthy": 1, "disease": -1}},
        "C2": {"weights": {"POST": 1, "disease": -1}},
    },
    "claims": [
        {"id": "C0", "kind": "gate", "contrast": "C0", "outcomes": ["mvd"]},
        {"id": "C2", "kind": "superiority", "contrast": "C2", "outcomes": ["mvd"]},
        {"id": "C3", "kind": "rescue", "arm": "POST", "outcomes": ["mvd"]},
    ],
}


def but(**changes):
    """The claims with keys of the file, or of one claim by its id, in place of theirs."""
    claims = copy.deepcopy(CLAIMS)
    for key, value in changes.items():
        own = next((c for c in claims["claims"] if c["id"] == key), None)
        if own is None:
            claims[key] = value
        else:
            own.update(value)
    return claims


def weights(**of):
    return {"contrasts": CLAIMS["contrasts"] | {"C2": {"weights": of}}}


GRAPH = {"correction": "graph", "family": "g"}
FORM = {
    "two arms doubled": (but(**weights(POST=2, disease=-2)), "contrasts/C2/weights", "1 and -1"),
    "two arms halved": (but(**weights(POST=0.5, disease=-0.5)), "contrasts/C2/weights", "1 and -1"),
    "no weight": (but(**weights(POST=0, disease=0)), "contrasts/C2/weights", "two arms or more"),
    "endless weight": (
        but(**weights(POST=math.inf, disease=-math.inf)),
        "contrasts/C2/weights/POST",
        "finite number",
    ),
    "endless margin": (
        but(margin={"kind": "raw", "value": math.inf}),
        "margin/value",
        "finite number",
    ),
    "no threshold": (but(C3={"threshold": math.nan}), "claims/C3/threshold", "finite number"),
    "no outcome": (but(C2={"outcomes": []}), "claims/C2/outcomes", "names no outcome"),
    "an outcome twice": (
        but(C2={"outcomes": ["mvd", "mvd"]}),
        "claims/C2/outcomes",
        "stands twice",
    ),
    "two domains of one outcome": (
        but(domains={"vessels": "mvd", "bone": "mvd"}),
        "domains/bone",
        "is the primary outcome of vessels already",
    ),
    "all outcomes among others": (
        but(C2={"family": "f", "combine": "all"}, C3={"family": "f"}),
        "claims/C2/family",
        "combine: all",
    ),
    "no share": (
        but(C2=GRAPH, graphs={"g": {"weights": {"C2": 0}}}),
        "graphs/g/weights",
        "no claim has a share",
    ),
    "edges twice": (
        but(
            C2=GRAPH,
            graphs={"g": {"weights": {"C2": 1}, "edges": {"C2": {"C2": 1}, "C2/mvd": {"C2": 1}}}},
        ),
        "graphs/g/edges/C2/mvd",
        "would go out twice",
    ),
}


@pytest.mark.parametrize("name", FORM)
def test_a_slip_of_form_is_named(name):
    claims, place, said = FORM[name]
    found = check_form(claims, "claims.yaml")
    assert any(p.column == place and said in p.message for p in found), found
    assert not check_form(CLAIMS, "claims.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    animals = [f"{a}{i}\tanimal\t{a}" for a in ("CTRL", "DRUG", "POST") for i in range(3)]
    clinical = ["CTRL0\tmvd\t80\t28\td\tDRUG\t\t", "POST1\tmvd\t70\t28\td\tPOST\t1\tmg"]
    clinical += ["POST0\tmvd\t70\t28\td\tPOST\t1\tmg", "POST2\tmvd\t70\t28\td\tPOST\t1\tug"]
    # Twelve vessels in .1 and in 0 mm2, a share of 30 in 200; and values that say something else.
    readings = ["POST0\tmvd\t120\t12\t0.1\tmm2", "POST1\tmvd\t0\t0\t0\tmm2"]
    readings += ["CTRL0\tnecr\t15\t30\t200\tum2", "CTRL1\tnecr\t30\t30\t200\tum2"]
    readings += ["DRUG0\tmvd\t120\t12\t100000\tum2", "DRUG1\tmvd\t12\t12\t0.1\tmm2"]
    readings = [f"s{i}\tme\t{row}" for i, row in enumerate(readings)]
    for name, head, rows in (
        ("animals", "animal_id\tunit\tgroup", animals),
        (
            "clinical",
            "animal_id\toutcome\tvalue\ttime\ttime_unit\tcondition\tdose\tdose_unit",
            clinical,
        ),
        (
            "readings",
            "specimen_id\treader\tanimal_id\toutcome\tvalue\tnumerator\tdenominator\tdenominator_unit",
            readings,
        ),
    ):
        (out / f"{name}.tsv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return out


def asked(folder, claims, roles=ROLES):
    config = {
        "study": {"name": "x"},
        "roles": roles,
        "sheets": {n: f"{n}.tsv" for n in ("animals", "clinical", "readings")},
    }
    study = load_study(config, str(folder))
    study.claims.update(claims)
    return study


GRADE = load_dictionary("resources/outcomes.tsv").assign(kind="ordinal")
YES = GRADE.assign(kind="binary")
SD = {"kind": "non_superiority", "margin": {"kind": "sd", "value": 0.8}}
ASKED = {
    "healthy rescued": (but(C3={"arm": "CTRL"}), DICTIONARY, "claims/C3/arm", "a treated arm"),
    "no such time": (but(C2={"time": 14}), DICTIONARY, "claims/C2/time", "nothing is measured"),
    "direction": (but(directions={"mvd": "-"}), DICTIONARY, "directions/mvd", "says otherwise"),
    "gate": (but(C0={"contrast": "C2"}), DICTIONARY, "claims/C0/contrast", "not healthy over"),
    "waits for nothing": (
        but(C2={"outcomes": ["neu"], "after": ["C0"]}),
        DICTIONARY,
        "claims/C2/after",
        "C0 does not judge neu",
    ),
    "rescue of grades": (CLAIMS, GRADE, "claims/C3", "no distances"),
    "margin of grades": (but(C2=SD), GRADE, "claims/C2", "kind raw"),
    "margin of yes or no": (but(C2=SD), YES, "claims/C2", "no margin in SD"),
    "trend of yes or no": (but(C2={"kind": "dose_trend"}), YES, "claims/C2", "is not fitted"),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_claim_that_cannot_be_answered_is_named_before_data(folder, name):
    claims, dictionary, place, said = ASKED[name]
    found = check_asked(asked(folder, claims), dictionary)
    assert any(p.column == place and said in p.message for p in found), found


def test_sound_claims_are_left_alone(folder):
    assert check_asked(asked(folder, CLAIMS), DICTIONARY) == []
    one = ROLES | {"disease": "CTRL"}
    assert any(p.column == "roles" for p in check_asked(asked(folder, CLAIMS, one), DICTIONARY))


def test_an_animal_that_changes_its_arm_is_named(folder):
    found = [p for p in check_design(asked(folder, CLAIMS), DICTIONARY) if p.column == "condition"]
    assert [(p.row, p.value, p.allowed) for p in found] == [(2, "DRUG", "CTRL")]


def test_doses_in_another_unit_are_named(folder):
    found = [p for p in check_design(asked(folder, CLAIMS), DICTIONARY) if p.column == "dose_unit"]
    assert [(p.row, p.value, p.allowed) for p in found] == [(5, "ug", "mg")]


def test_readings_of_nothing_and_values_beside_their_counts_are_named(folder):
    found = check_values(asked(folder, CLAIMS), DICTIONARY)
    said = [(p.row, p.column, p.level) for p in found if p.file == "readings.tsv"]
    assert said == [(3, "denominator", "error"), (5, "value", "warning"), (7, "value", "warning")]


def test_a_count_in_an_area_of_0_costs_one_animal_by_name():
    base = dict.fromkeys(COLUMNS, "") | {"dose": np.nan, "time": 28.0, "time_unit": "d"}
    base |= {"outcome": "mvd", "unit": "1/mm2", "status": "measured", "condition": "CTRL"}
    rows = [
        base
        | {"animal_id": f"R{i}", "value": 90.0 - i, "numerator": 9 - 0.1 * i, "denominator": 0.1}
        for i in range(5)
    ]
    rows.append(base | {"animal_id": "R5", "value": 0.0, "numerator": 0, "denominator": 0})
    sheet = pd.DataFrame({"animal_id": [r["animal_id"] for r in rows], "unit": "animal"})
    found = prepare(pd.DataFrame(rows), sheet, DICTIONARY)
    assert list(found["animal_id"]) == [f"R{i}" for i in range(5)]
    assert set(found["scale"]) == {"count"}
    assert "nothing to measure in: R5 (denominator 0)" in found["scale_note"].iloc[0]


def judged(times, **changes):
    """times: arm → time → values."""
    base = dict.fromkeys(COLUMNS, "") | dict.fromkeys(("dose", "numerator", "denominator"), np.nan)
    rows = [
        base
        | {
            "animal_id": f"{arm}{time}{i}" if isinstance(ys, list) else f"{arm}{i}",
            "outcome": "mvd",
            "condition": arm,
            "value": float(y),
            "time": float(time),
            "time_unit": "d",
            "unit": "1/mm2",
            "status": "measured",
        }
        for arm, at in times.items()
        for time, ys in at.items()
        for i, y in enumerate(ys)
    ]
    table = pd.DataFrame(rows)
    sheet = table[["animal_id"]].drop_duplicates().assign(unit="animal", block="")
    plan = read_plan(but(**changes), ROLES)
    return verdict_table(Analysis(plan, prepare(table, sheet, DICTIONARY), DICTIONARY)).set_index(
        "claim_id"
    )


CTRL, DRUG, POST = [95, 88, 104, 99], [55, 49, 61, 58], [86, 79, 92, 81]


def test_arms_of_different_times_are_not_compared():
    found = judged({"CTRL": {7: CTRL}, "DRUG": {7: DRUG}, "POST": {28: POST}})
    assert found.loc["C0", "verdict"] == "supported"
    assert found.loc["C2", "verdict"] == "not judged"
    assert (
        "time and arm cannot be told apart (DRUG only in 7 d; POST only in 28 d)"
        in (found.loc["C2", "reason"])
    )


def test_animals_of_another_time_do_not_join_those_of_the_time_that_all_arms_have():
    """Diseased animals of day 7 beside those of day 28: the claim is of day 28, as without them."""
    early = {"CTRL": {28: CTRL}, "DRUG": {7: [20, 22, 19, 21], 28: DRUG}, "POST": {28: POST}}
    alone = {"CTRL": {28: CTRL}, "DRUG": {28: DRUG}, "POST": {28: POST}}
    columns = ["estimate", "lower", "upper", "time", "n_animals"]
    assert judged(early)[columns].equals(judged(alone)[columns])
    # A scatter of days is pooled, and the arms' unlike days are said.
    days = judged({"CTRL": {27: CTRL[:1], 28: CTRL[1:]}, "DRUG": {28: DRUG}, "POST": {28: POST}})
    assert days.loc["C0", "n_animals"] == 8
    assert "times 27 to 28 d pooled, not alike in all arms" in days.loc["C0", "reason"]


def test_the_reason_names_the_arm_and_the_time_that_are_missing():
    both = {7: np.array(CTRL), 28: np.array(CTRL)}
    rows = {
        "CTRL": both,
        "DRUG": {t: y - 40 for t, y in both.items()},
        "POST": {28: np.array(POST)},
    }
    assert (
        judged(rows, C2={"time": 7})
        .loc["C2", "reason"]
        .startswith("no measured animals in POST at time 7")
    )
    rows |= {"POST": {14: np.array(POST)}}
    assert "repeatedly, and at no time in every arm" in judged(rows).loc["C2", "reason"]
