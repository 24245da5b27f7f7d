"""Coded groups: what the key must be, what is known before it is opened, and that measuring jobs are told nothing either way."""

import pandas as pd
import pytest
import yaml

from periomics.core.errors import PeriomicsError
from periomics.study.blinding import Coding, check_key
from periomics.study.frozen import freeze_entries, state_of, unblind_entries
from periomics.study.plan import decoded_sheets, job_counts
from periomics.study.study import load_study

CODES = {"CTRL": "A", "DRUG": "B", "POST": "C"}


@pytest.fixture
def coded(small):
    """The small study with codes in its animals sheet; one path names an arm, one a code."""
    for arm, code in CODES.items():
        small.sheet("animals", f"\t{arm}\t", f"\t{code}\t")
    for old, new in (("raw/R1.tif", "raw/DRUG-R1.tif"), ("raw/R2.tif", "raw/A-R2.tif")):
        (small.folder / old).rename(small.folder / new)
        small.sheet("scans", old, new)
    small.config["blinding"] = {"codes": ["A", "B", "C"], "key": "key.tsv"}
    return small


def key(small, *rows):
    rows = rows or tuple(f"{code}\t{arm}" for arm, code in CODES.items())
    (small.folder / "key.tsv").write_text("\n".join(["code\tarm", *rows]) + "\n", encoding="utf-8")


def load(small):
    (small.folder / "claims.yaml").write_text(yaml.safe_dump(small.claims), encoding="utf-8")
    return load_study(small.config, small.folder)


def test_a_coded_study_is_sound_while_claims_speak_of_arms(coded):
    text, usable = coded.check()
    assert usable, text
    assert "groups are coded (A, B, C) and the key has not been opened: no claim is judged" in text
    assert "known once the key is opened" in text
    study = load(coded)
    assert study.withheld == "groups are coded; the key has not been opened"
    assert decoded_sheets(study) == {} and study.key_file() is None


def test_weights_are_checked_behind_codes_too(coded):
    coded.claims["contrasts"]["C2"]["weights"]["POST"] = 2
    text, usable = coded.check()
    assert not usable and "weights must sum to zero" in text


def test_a_group_that_is_neither_code_nor_arm_is_named(coded):
    coded.sheet("animals", "\tA\t", "\tE\t", 1)
    text, usable = coded.check()
    assert (
        not usable
        and "animals.tsv, row 2, column group: no role and no contrast names this arm (found 'E')"
        in text
    )


def test_the_key_puts_arms_in_the_place_of_codes(coded):
    before = load(coded)
    key(coded)
    after = load(coded)
    assert list(after.sheets["animals"]["group"][:3]) == [
        "CTRL",
        "DRUG",
        "POST",
    ] and after.arms == (
        "CTRL",
        "DRUG",
        "POST",
    )
    assert after.withheld == "" and set(decoded_sheets(after)) == {"animals", "scans", "sections"}
    text, usable = coded.check()
    assert (
        usable
        and "the key is opened: A is CTRL, B is DRUG, C is POST" in text
        and "C2 (POST − DRUG, n = 3 + 3)" in text
    )
    assert job_counts(after) == job_counts(before) | {"decode_groups": 1}


def test_measuring_jobs_are_told_the_same_before_and_after(coded):
    before = load(coded)
    key(coded)
    after = load(coded)
    for sheet in ("scans", "sections"):
        assert before.facts(sheet) == after.facts(sheet)
    assert before.links() == after.links() and len(before.links()) == 2
    told = [str(v) for r in after.facts("scans") for v in r.values()]
    assert not [v for v in told if "DRUG" in v or "/A-" in v]


def test_arms_that_the_key_spells_differently_are_named(coded):
    key(coded, "A\tCTRL", "B\tDRUGG", "C\tPOST")
    text, usable = coded.check()
    assert not usable and "no animal is in arm DRUG - did you mean 'DRUGG'?" in text


BROKEN = {
    "unknown code": (
        ["A\tx", "b\ty", "C\tz"],
        "row 3, column code: unknown code - did you mean 'B'? (found 'b'); allowed: A, B, C",
    ),
    "code missing": (
        ["A\tCTRL", "B\tDRUG"],
        "key.tsv, column code: every code needs a row; without one (found 'C')",
    ),
    "code twice": (
        ["A\tCTRL", "B\tDRUG", "C\tPOST", "A\tPRE"],
        "key.tsv, row 5, column code: this code stands here twice (found 'A')",
    ),
    "no arm": (["A\tCTRL", "B\t", "C\tPOST"], "key.tsv, row 3, column arm: code B has no arm"),
    "one arm": (
        ["A\tCTRL", "B\tDRUG", "C\tDRUG"],
        "row 4, column arm: two codes stand for one arm (B and C) (found 'DRUG'); allowed: distinct arms, or blinding/shared_arms: true",
    ),
    "an arm like a code": (
        ["A\tB", "B\tDRUG", "C\tPOST"],
        "key.tsv, row 2, column arm: an arm cannot be called like a code (found 'B')",
    ),
}


@pytest.mark.parametrize(("rows", "line"), BROKEN.values(), ids=list(BROKEN))
def test_a_key_with_a_slip_stays_closed_and_says_why(coded, rows, line):
    key(coded, *rows)
    text, usable = coded.check()
    assert not usable and line in text, text
    assert load(coded).coding.closed


def test_a_key_needs_its_columns():
    found = check_key(pd.DataFrame({"codes": ["A"], "arm": ["x"]}), "key.tsv", ("A",))
    assert [p.describe() for p in found] == [
        "key.tsv, row 1, column code: this column is needed - did you mean 'codes'?; allowed: code, arm"
    ]


def test_several_codes_may_stand_for_one_arm_where_it_is_said():
    table = pd.DataFrame({"code": ["A", "B"], "arm": ["x", "x"]}, index=[2, 3])
    assert check_key(table, "key.tsv", ("A", "B"), shared=True) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"codes": []}, "blinding/codes: a key needs the codes that stand in the sheets"),
        (
            {"codes": ["A", "B", "C", "C"]},
            "blinding/codes: this code stands here twice (found 'C')",
        ),
        (
            {"codes": ["A", "B", "C", "DRUG"]},
            "blinding/codes: roles and claims name arms, never codes (found 'DRUG')",
        ),
        (
            {"codes": ["A", "B", "C", "D"]},
            "blinding/codes: codes that no animal and no specimen has (found 'D')",
        ),
        ({"keys": "key.tsv"}, "unknown key - did you mean 'key'?"),
    ],
)
def test_slips_in_the_setting_are_named(coded, change, line):
    coded.config["blinding"] |= change
    assert line in coded.check()[0]


def test_decoding_leaves_what_is_no_code():
    sheet = pd.DataFrame({"condition": ["A", "vehicle", ""], "note": ["A", "A", "A"]})
    out = Coding(("A",), {"A": "CM"}).decoded(sheet)
    assert list(out["condition"]) == ["CM", "vehicle", ""] and list(out["note"]) == ["A", "A", "A"]


def test_nothing_is_unblinded_while_groups_are_coded(coded):
    study = load(coded)
    rows = freeze_entries([], {"alpha": 0.05}, state_of(study), "t")
    assert rows[-1].value["key"] == "not opened"
    with pytest.raises(PeriomicsError, match="the key has not been opened"):
        unblind_entries(rows, study, pd.DataFrame(), "t")
