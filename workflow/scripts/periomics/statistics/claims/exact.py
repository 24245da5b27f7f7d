"""Claims on yes-or-no answers and grades: which exact form a cut allows, and what gates, margins and rescue are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from periomics.core.seeds import generator
from periomics.statistics.claims import animals as a
from periomics.statistics.claims.plan import Claim, Plan
from periomics.statistics.claims.refusals import (
    ENOUGH,
    Refusal,
    Refused,
    no_deficit_margin,
    refusal,
)
from periomics.statistics.kernels.binary import SUM
from periomics.statistics.kernels.discrete import ExactForms, Ranks, Shares, ranks

KINDS = ("binary", "ordinal")
NO_DISTANCE = "grades have an order and no distances: a share of the deficit is not defined"
WIDER = "limits of three arms are wider than the deficit's own"
RANK_UNIT = "in P(better) − ½"
NO_SHARE = "margin not judged: arms at the least or largest value throughout, beside others"
ALL_OR_NONE = "every animal at the least or the largest value: taken as yes or no"
NO_SD = "yes or no and grades have no margin in SD: declare one of kind raw"


def form(
    cut: a.Cut, weights: Mapping[str, float], kind: str, outcome: str
) -> tuple[Shares | Ranks | None, str]:
    """The exact form of weighted arms, in the outcome's own direction.

    Parameters
    ----------
    cut, weights
        The animals, and the weight of each arm.
    kind
        binary or ordinal.
    outcome
        Names the generator, for relabellings that are too many to list.

    Returns
    -------
    form
        Nothing where there is none.
    reason
        Why not.
    """
    if cut.paired:
        return None, "yes or no and grades are not compared within units"
    refused = refusal(cut, cut.summary().form(cut.weights(weights)), weights)
    if refused and refused.kind not in ENOUGH:
        return None, refused.text
    return _shares(cut, weights) if kind == "binary" else _ranks(cut, weights, outcome)


def all_or_none(cut: a.Cut, weights: Mapping[str, float], refused: Refusal) -> Shares | None:
    """Weighted means of shares of which no arm holds other values than the least or the largest
    throughout; nothing elsewhere.

    Animals are taken as yes or no. Where n of them are at 0 and the mean is m, the chance of that
    is at most (1 − m)^n, as it is of yes or no: a share above 0 is at most 1. Blocks, in which
    means may differ, make it less. So the interval that yes or no has here holds for shares too.
    """
    if refused.kind is not Refused.NO_SPREAD or cut.paired or not np.isfinite(cut.limits).all():
        return None
    least, most = cut.limits
    rows = [cut.natural[cut.arm == i] for i in range(len(cut.arms))]
    used = [x for x, w in zip(rows, cut.weights(weights), strict=True) if w]
    if not all((x == least).all() or (x == most).all() for x in used):
        return None
    events, n = (
        tuple(int(f) for f in found)
        for found in ([(x == most).sum() for x in rows], map(len, rows))
    )
    return Shares((events,), (n,), tuple(cut.weights(weights).tolist()), scale=most - least)


def _shares(cut: a.Cut, weights: Mapping[str, float]) -> tuple[Shares | None, str]:
    if not np.isin(cut.natural, (0.0, 1.0)).all():  # margins count the other arms too
        return None, "yes or no holds other values than 1 and 0"
    blocks = np.unique(cut.block) if "block" in cut.adjusted_for else np.array([])
    inside = [cut.block == b for b in blocks] if len(blocks) > 1 else [np.full(cut.arm.shape, True)]
    arms = range(len(cut.arms))
    rows = [[cut.natural[place & (cut.arm == i)] for i in arms] for place in inside]
    events = tuple(tuple(int(x.sum()) for x in row) for row in rows)
    n = tuple(tuple(int(x.size) for x in row) for row in rows)
    return Shares(events, n, tuple(cut.weights(weights).tolist())), ""


def _ranks(cut: a.Cut, weights: Mapping[str, float], outcome: str) -> tuple[Ranks | None, str]:
    w = cut.weights(weights)
    plus, minus = np.flatnonzero(w > 0), np.flatnonzero(w < 0)
    if len(plus) != 1 or len(minus) != 1:
        return None, "grades are compared between two arms only"
    used = np.isin(cut.arm, [plus[0], minus[0]])
    block = cut.block if all(cut.block[used]) else np.full(cut.block.shape, "")
    names = f"{outcome}/{cut.arms[plus[0]]}/{cut.arms[minus[0]]}"
    rng = generator(0, "compare_grades", names)
    return ranks(cut.natural[used], cut.arm[used] == plus[0], block[used], rng)


def methods_of(forms: ExactForms, cut: a.Cut) -> str:
    """How the effect and, where it differs, the margin of a claim are judged."""
    said = [forms.effect.method]
    if forms.above and forms.above.method != forms.effect.method:
        said.append(f"margin by {forms.above.method}")
    if "block" in cut.adjusted_for and SUM in " ".join(said) and not a.balanced(cut):
        said.append("blocks added up, although arms are not spread over them alike")
    return "; ".join(said)


def claim_forms(
    plan: Plan, claim: Claim, cut: a.Cut, own: Shares | Ranks, side: float = np.nan
) -> tuple[ExactForms, str]:
    """Forms of a claim from its benefit-signed effect, and what must be said; `side` as in
    `refusals.no_worse`.

    Rescue and margins in shares of the deficit are weighted sums of the shares of three arms; a margin of kind raw is in shares
    of animals (.3: 30 of 100), of grades in P(better) − ½. Grades know no share of a deficit.
    """
    if claim.kind in ("gate", "rescue"):
        return ExactForms(own), ""
    margin = plan.margin_of(claim)
    if margin.kind == "raw":
        return ExactForms(own, own.shifted(margin.value), own.shifted(-margin.value)), ""
    if margin.kind == "sd":
        return ExactForms(own), NO_SD
    if not isinstance(own, Shares):
        return ExactForms(own), NO_DISTANCE
    deficit = plan.deficit()
    none = no_deficit_margin(cut, deficit, side)
    judged = cut.natural[np.isin(cut.arm, np.flatnonzero(cut.weights(deficit)))]
    if not none and not np.isin(judged, (0.0, 1.0, *cut.limits)).all():
        none = NO_SHARE
    if none:
        return ExactForms(own), none
    d = margin.value * cut.weights(deficit) * own.sign
    above, below = (
        replace(own, weights=tuple((np.array(own.weights) + s * d).tolist())) for s in (-1, 1)
    )
    return ExactForms(own, above, below), ""
