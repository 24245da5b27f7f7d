"""From intervals to verdicts, in the order that was declared; on arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periomics.study.claims import DIFFERENCE

SUPPORTED = "supported"
SMALL = "supported, small"
REFUTED = "refuted"
INCONCLUSIVE = "inconclusive"
BELOW_MARGIN = "improved but below the margin"
SIZE_UNCLEAR = "improved, size unclear"
NO_DEFICIT = "no deficit"
NOT_TESTED = "not tested"
NOT_JUDGED = "not judged"
VERDICTS = (
    SUPPORTED,
    SMALL,
    REFUTED,
    INCONCLUSIVE,
    BELOW_MARGIN,
    SIZE_UNCLEAR,
    NO_DEFICIT,
    NOT_TESTED,
    NOT_JUDGED,
)
Texts = NDArray[np.str_]


def judge(
    kind: str,
    lower: ArrayLike,
    upper: ArrayLike,
    lower_margin: ArrayLike = np.nan,
    upper_margin: ArrayLike = np.nan,
    lower_minus: ArrayLike = np.nan,
    upper_minus: ArrayLike = np.nan,
) -> Texts:
    """Verdicts by design.md section 7.6.

    Parameters
    ----------
    kind
        One of `study.claims.CLAIM_KINDS` but association.
    lower, upper
        Benefit-signed interval of the effect at the adjusted level.
    lower_margin, upper_margin
        Interval of effect − margin: "lower > m" is `lower_margin > 0`. With a margin that is itself estimated (a share of the
        deficit) this is the interval of the linear form; with a fixed margin it is (lower − m, upper − m).
        NaN where the study has no margin for the outcome.
    lower_minus, upper_minus
        Interval of effect + margin, for equivalence.

    Returns
    -------
    array of str
        `not judged` where the bounds that the kind needs are NaN.
    """
    lo, up, lom, upm, lop, upp = (
        np.asarray(a, float)
        for a in np.broadcast_arrays(
            lower, upper, lower_margin, upper_margin, lower_minus, upper_minus
        )
    )
    if kind in DIFFERENCE:
        below = (upm < 0) | (np.isnan(upm) & (up < 0))
        rules = [
            (np.isnan(lo), NOT_JUDGED),
            ((lo > 0) & (upm < 0), SMALL),
            (lo > 0, SUPPORTED),
            (below, REFUTED),
        ]
    elif kind == "non_superiority":
        rules = [
            (np.isnan(lo) | np.isnan(lom), NOT_JUDGED),
            (lom > 0, REFUTED),
            ((upm < 0) & (lo > 0), BELOW_MARGIN),
            (upm < 0, SUPPORTED),
            (lo > 0, SIZE_UNCLEAR),
        ]
    elif kind == "equivalence":
        rules = [
            (np.isnan(lom) | np.isnan(lop), NOT_JUDGED),
            ((lop > 0) & (upm < 0), SUPPORTED),
            ((lom > 0) | (upp < 0), REFUTED),
        ]
    elif kind == "rescue":
        rules = [(np.isnan(lo), NOT_JUDGED), (lo > 0, SUPPORTED), (up < 0, REFUTED)]
    elif kind == "gate":
        rules = [
            (np.isnan(lo), NOT_JUDGED),
            (lo > 0, SUPPORTED),
            (np.ones_like(lo, bool), NO_DEFICIT),
        ]
    else:
        raise ValueError(f"unknown kind of claim {kind!r}")
    return np.select([r for r, _ in rules], [v for _, v in rules], INCONCLUSIVE)


def passed(verdicts: ArrayLike) -> NDArray[np.bool_]:
    """Whether a verdict lets the next claim of the graph be tested."""
    return np.isin(np.asarray(verdicts), (SUPPORTED, SMALL))


def combine(verdicts: ArrayLike) -> Texts:
    """One verdict over outcomes (last axis) by intersection–union: supported only if each outcome is.

    Outcomes without a deficit take no part; if none has one, the verdict is "no deficit". One refuted outcome refutes.
    One that is improved by less than the margin keeps the claim within the margin, but says so.
    """
    v = np.asarray(verdicts)
    open_ = v != NO_DEFICIT
    inside = np.isin(v, (SUPPORTED, SMALL, BELOW_MARGIN))
    rules = [
        (~open_.any(axis=-1), NO_DEFICIT),
        ((v == REFUTED).any(axis=-1), REFUTED),
        ((v == NOT_JUDGED).any(axis=-1), NOT_JUDGED),
        ((v == NOT_TESTED).any(axis=-1), NOT_TESTED),
        ((inside | ~open_).all(axis=-1) & (v == BELOW_MARGIN).any(axis=-1), BELOW_MARGIN),
        ((inside | ~open_).all(axis=-1), SUPPORTED),
    ]
    return np.select([r for r, _ in rules], [x for _, x in rules], INCONCLUSIVE)
