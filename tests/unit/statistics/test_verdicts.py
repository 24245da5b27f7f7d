"""The verdict table, exhaustively over the order of interval, zero and margin."""

from itertools import product

import numpy as np
import pytest

from periomics.statistics.claims import verdicts as v
from periomics.study.claims import CLAIM_KINDS, DIFFERENCE

M = 1.0
POINTS = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0)
INTERVALS = [(a, b) for a, b in product(POINTS, POINTS) if a < b]


def by_the_book(kind, lower, upper, m=M):
    """Design, section 7.6, as plain conditions."""
    if kind == "superiority":
        if lower > 0:
            return "supported, small" if upper < m else "supported"
        return "refuted" if upper < m else "inconclusive"
    if kind == "non_superiority":
        if lower > m:
            return "refuted"
        if upper < m and lower > 0:
            return "improved but below the margin"
        if upper < m:
            return "supported"
        return "improved, size unclear" if lower > 0 else "inconclusive"
    if kind == "equivalence":
        if -m < lower and upper < m:
            return "supported"
        return "refuted" if lower > m or upper < -m else "inconclusive"
    if kind == "gate":
        return "supported" if lower > 0 else "no deficit"
    return "supported" if lower > 0 else "refuted" if upper < 0 else "inconclusive"


@pytest.mark.parametrize("kind", [k for k in CLAIM_KINDS if k != "association"])
def test_every_order_of_interval_and_margin(kind):
    lower, upper = (np.array(x) for x in zip(*INTERVALS, strict=True))
    found = v.judge(kind, lower, upper, lower - M, upper - M, lower + M, upper + M)
    book = "superiority" if kind in DIFFERENCE else kind
    assert found.tolist() == [by_the_book(book, a, b) for a, b in INTERVALS]


@pytest.mark.parametrize("kind", [k for k in CLAIM_KINDS if k != "association"])
def test_a_verdict_is_never_empty(kind):
    assert v.judge(kind, np.nan, np.nan).tolist() == v.NOT_JUDGED


def test_superiority_without_a_margin_decides_by_sign_only():
    assert v.judge("superiority", [0.1, -1, -3], [2.0, 1, -1]).tolist() == [
        "supported",
        "inconclusive",
        "refuted",
    ]


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="unknown kind"):
        v.judge("noninferior", 0, 1)


@pytest.mark.parametrize(
    ("each", "whole"),
    [
        ([v.SUPPORTED, v.SUPPORTED], v.SUPPORTED),
        ([v.SUPPORTED, v.NO_DEFICIT], v.SUPPORTED),
        ([v.NO_DEFICIT, v.NO_DEFICIT], v.NO_DEFICIT),
        ([v.SUPPORTED, v.INCONCLUSIVE], v.INCONCLUSIVE),
        ([v.SUPPORTED, v.SIZE_UNCLEAR], v.INCONCLUSIVE),
        ([v.SUPPORTED, v.BELOW_MARGIN], v.BELOW_MARGIN),
        ([v.INCONCLUSIVE, v.BELOW_MARGIN], v.INCONCLUSIVE),
        ([v.SUPPORTED, v.REFUTED], v.REFUTED),
        ([v.SUPPORTED, v.NOT_JUDGED], v.NOT_JUDGED),
        ([v.NOT_TESTED, v.SUPPORTED], v.NOT_TESTED),
    ],
)
def test_intersection_union(each, whole):
    assert v.combine(each).tolist() == whole
