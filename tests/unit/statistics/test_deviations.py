"""Deviations from what was frozen and their effect on verdicts; nothing is judged behind codes."""

import pandas as pd
import pytest
from studies import CLAIMS as DEFAULT
from studies import ROLES, analysed, simulated

from periomics.statistics.claims.blinded import judged, visible
from periomics.statistics.claims.deviations import COLUMNS, declaration_deviations, input_deviations
from periomics.statistics.claims.judging import verdict_table
from periomics.statistics.claims.plan import read_plan
from periomics.study.blinding import WITHHELD
from periomics.study.claims_lock import Entry, canonical
from periomics.study.frozen import Change, freeze_entries, items

# Of the default claims those that speak of animals.
CLAIMS = DEFAULT | {
    "claims": [c for c in DEFAULT["claims"] if c["id"] in ("C0", "C1", "C2", "C3", "C4")]
}
STATE = {"verdicts": "none", "key": "groups are not coded"}


@pytest.fixture(scope="module")
def today():
    return analysed(*simulated(seed=4), read_plan(CLAIMS, ROLES))


def declared(**changes):
    return items(CLAIMS | changes, ROLES)


def freezes(*declarations):
    rows = []
    for day, d in enumerate(declarations, start=1):
        rows += freeze_entries(rows, d, STATE, f"2026-01-0{day}T00:00:00Z")
    return rows


def unblinded(when, verdict="supported"):
    content = {
        "claim_id": "C0",
        "outcome": "bvtv",
        "verdict": verdict,
        "estimate": 1.0,
        "lower": 0.5,
        "upper": 1.5,
    }
    return [Entry(when, "unblinded", "verdicts/C0/bvtv", "", "recorded", canonical(content))]


def verdicts(**changes):
    return verdict_table(analysed(*simulated(seed=4), read_plan(CLAIMS | changes, ROLES)))


HUGE = {"kind": "sd", "value": 50.0}


def test_claims_that_did_not_change_have_no_deviation(today):
    found = declaration_deviations(freezes(declared()), declared(), today)
    assert found.empty and tuple(found.columns) == COLUMNS


def test_claims_that_were_never_frozen_have_none(today):
    assert declaration_deviations([], declared(), today).empty


def test_a_changed_margin_is_listed_with_every_verdict_that_differs(today):
    found = declaration_deviations(freezes(declared()), declared(margin=HUGE), today)
    now, then = (
        v.set_index(["claim_id", "outcome"])["verdict"] for v in (verdicts(margin=HUGE), verdicts())
    )
    differs = now[now != then]
    assert len(differs) and len(found) == len(differs)
    for row in found.itertuples():
        assert (
            row.verdict_now == now[row.claim_id, row.outcome]
            and row.verdict_frozen == then[row.claim_id, row.outcome]
        )
    assert set(found["change"]) == {
        'kind changed from "deficit" to "sd"; value changed from 0.3 to 50'
    }
    assert set(found["kind"]) == {"changed, not frozen"} and set(found["item"]) == {"margin"}
    assert set(found["effect"]) == {"the verdict differs"} and set(found["when"]) == {""}


def test_a_change_of_words_changes_no_verdict(today):
    contrasts = CLAIMS["contrasts"] | {"C0": CLAIMS["contrasts"]["C0"] | {"text": "other words"}}
    found = declaration_deviations(freezes(declared()), declared(contrasts=contrasts), today)
    assert list(found["effect"]) == ["no verdict changes"] and list(found["item"]) == [
        "contrasts/C0"
    ]


def test_freezing_again_after_the_results_hides_nothing(today):
    rows = freezes(declared(), declared(margin=HUGE))
    found = declaration_deviations(rows, declared(margin=HUGE), today)
    assert (
        set(found["kind"]) == {"amended"}
        and set(found["when"]) == {"2026-01-02T00:00:00Z"}
        and len(found) > 1
    )
    late = declaration_deviations(
        [*rows, *unblinded("2026-01-01T12:00:00Z")], declared(margin=HUGE), today
    )
    assert set(late["kind"]) == {"amended after unblinding"}
    undone = declaration_deviations(rows, declared(), today)
    assert undone.empty


def test_several_changes_are_undone_one_by_one_and_together(today):
    dropped = [c for c in CLAIMS["claims"] if c["id"] != "C1"]
    found = declaration_deviations(
        freezes(declared()), declared(margin=HUGE, claims=dropped), today
    )
    assert list(dict.fromkeys(found["item"])) == ["margin", "claims/C1", "all together"]
    gone = found[found["item"] == "claims/C1"]
    assert (
        set(gone["effect"]) == {"judged then only"}
        and (gone["verdict_now"] == "").all()
        and set(gone["claim_id"]) == {"C1"}
    )


def test_an_added_claim_is_judged_now_only(today):
    added = [
        *CLAIMS["claims"],
        {"id": "X", "kind": "superiority", "contrast": "C2", "outcomes": ["bvtv"]},
    ]
    found = declaration_deviations(freezes(declared()), declared(claims=added), today)
    assert found[["item", "claim_id", "outcome", "effect"]].to_numpy().tolist() == [
        ["claims/X", "X", "bvtv", "judged now only"]
    ]


def test_what_cannot_be_undone_alone_is_judged_together(today):
    contrasts = {("Z" if k == "C2" else k): w for k, w in CLAIMS["contrasts"].items()}
    claims = [
        c | ({"contrast": "Z"} if c.get("contrast") == "C2" else {}) for c in CLAIMS["claims"]
    ]
    found = declaration_deviations(
        freezes(declared()), declared(contrasts=contrasts, claims=claims), today
    )
    effects = dict(zip(found["item"], found["effect"], strict=True))
    assert effects["contrasts/Z"] == "cannot be undone alone: see all together"
    assert effects["all together"] == "no verdict changes"


def test_roles_and_order_are_part_of_the_declaration(today):
    roles = ROLES | {"treated": ["POST"]}
    found = declaration_deviations(freezes(declared()), items(CLAIMS, roles), today)
    assert list(found["item"]) == ["roles"]
    last_first = sorted(CLAIMS["claims"], key=lambda c: c["id"] != "C1")
    found = declaration_deviations(freezes(declared()), declared(claims=last_first), today)
    assert set(found["item"]) == {"order/claims"}


def test_changes_behind_codes_are_listed_without_effect(today):
    found = declaration_deviations(freezes(declared()), declared(margin=HUGE), today, WITHHELD)
    assert list(found["effect"]) == [WITHHELD] and list(found["item"]) == ["margin"]


def test_nothing_is_judged_behind_codes(today):
    table = judged(today, WITHHELD)
    assert (
        set(table["verdict"]) == {"not judged"}
        and set(table["reason"]) == {WITHHELD}
        and len(table)
    )
    assert table[["estimate", "lower", "upper", "p_adj"]].isna().all(axis=None)
    assert visible(today, WITHHELD).animals.empty and visible(today, "") is today
    pd.testing.assert_frame_equal(judged(today, ""), verdict_table(today))


def now(verdict):
    return pd.DataFrame({"claim_id": ["C0"], "outcome": ["bvtv"], "verdict": [verdict]})


CHANGES = [
    Change("sheets/animals", "the content changed", None),
    Change("config/microct", "bone_threshold changed", None),
]


@pytest.mark.parametrize(
    ("changed", "verdict", "rows"),
    [
        ([], "supported", []),
        (CHANGES[:1], "supported", [("sheets/animals", "", "no verdict changes")]),
        (CHANGES[:1], "refuted", [("sheets/animals", "C0", "the verdict differs")]),
        (
            CHANGES,
            "refuted",
            [
                ("sheets/animals", "", "see all together"),
                ("config/microct", "", "see all together"),
                ("all together", "C0", "the verdict differs"),
            ],
        ),
        ([], "refuted", [("verdicts", "C0", "the verdict differs")]),
    ],
)
def test_inputs_that_changed_after_unblinding(changed, verdict, rows):
    found = input_deviations(unblinded("2026-02-01T00:00:00Z"), changed, now(verdict))
    assert list(zip(found["item"], found["claim_id"], found["effect"], strict=True)) == rows
    assert set(found["kind"]) <= {"input changed after unblinding"}


def test_without_an_unblinding_inputs_are_not_compared():
    assert input_deviations(freezes(declared()), CHANGES, now("refuted")).empty
