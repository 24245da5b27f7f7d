"""What would change a verdict: each sentence from its column, none where there is nothing to say."""

import numpy as np
import pandas as pd
import pytest

from periomics.report.moved import changes, reason_left


def row(**columns):
    base = {"verdict": "supported", "kind": "superiority", "verdict_all": "", "variant": ""}
    return base | dict.fromkeys(("n_to_decide", "n_missing", "tipping_sd"), np.nan) | columns


def contrasts(*rows):
    base = {"variant": "", "kind": "confirmatory", "lower": 0.1, "upper": 0.9}
    base |= dict.fromkeys(("rank_p", "perm_p", "perm_floor"), np.nan)
    return pd.DataFrame([base | r for r in rows] or [base]).iloc[: len(rows)]


def said(found, *rows, left_out=False):
    return changes(found, contrasts(*rows), left_out=left_out).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"verdict": "inconclusive", "n_to_decide": 59.0}, "about 59 per arm would decide"),
        (
            {"verdict": "inconclusive", "n_to_decide": 2.4e6},
            "over 10\u202f000 per arm would decide",
        ),
        ({"n_missing": 2.0, "tipping_sd": 1.2}, "2 animals have no value: values 1.2 SD or more against it would"),
        ({"n_missing": 1.0}, "1 animal has no value: values far against it would not"),
        ({"kind": "rescue", "R_lower": 0.614}, "a threshold above R = 0.61 would"),
        ({"kind": "rescue", "verdict": "refuted", "R_upper": 0.4}, "a threshold below R = 0.40 would"),
        ({"kind": "rescue", "R_lower": np.nan}, ""),
        ({"verdict": "not tested", "n_to_decide": 59.0}, ""),
    ],
)  # fmt: skip
def test_each_sentence_comes_from_its_column(columns, text):
    assert said(row(**columns)) == text


def test_what_was_left_out_is_named_only_where_it_was_judged_too():
    assert said(row(), left_out=True) == "what was left out would not (same verdict with it)"
    other = row(verdict_all="inconclusive")
    assert said(other, left_out=True) == "what was left out would: with it, inconclusive"
    assert said(other) == "" and said(row(kind="association"), left_out=True) == ""


def test_other_tests_and_definitions_are_of_a_difference():
    own = {"rank_p": 0.03, "perm_p": 0.1, "perm_floor": 0.1}
    assert said(row(), own) == (
        "a difference by other tests: ranks p = .03, permutation p = .1 (never below 0.10)"
    )
    further = [
        {"kind": "sensitivity", "variant": v, "lower": low} for v, low in (("a", 0.2), ("b", -0.1))
    ]
    assert said(row(), {}, *further) == "1 of 2 other definitions say the same of a difference"
    natural = {"kind": "natural scale", "lower": -9, "rank_p": 0.5}
    assert said(row(), natural) == ""


def test_a_reason_is_not_said_twice():
    both = "about 59 units per arm would make the interval as narrow as the margin; R = 0.7; 1 animal has no value: it stands where"
    assert reason_left(both) == "R = 0.7"
