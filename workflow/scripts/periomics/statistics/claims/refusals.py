"""Why an estimate has no inference: kinds for the code, words for people."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

import numpy as np

from periomics.statistics.claims.animals import (
    MIN_UNITS,
    Cut,
    confounded,
    counts,
    dose_arms,
    dose_of_each,
)
from periomics.statistics.kernels.contrasts import Estimate
from periomics.statistics.kernels.means import MOST_SPREAD


class Refused(Enum):
    """Kinds of reasons for which an estimate has no inference by t."""

    TECHNICAL = "technical"
    CONFOUNDED = "confounded"
    SCALE = "scale"
    FEW = "few"
    NOT_ESTIMABLE = "not estimable"
    SAME_VALUE = "same value"
    NO_SPREAD = "no spread"
    SKEWED = "skewed"


# Exact and rank methods need no spread within arms.
WITHOUT_SPREAD = (Refused.SAME_VALUE, Refused.NO_SPREAD)
# What other arms, or an exact form, may still make up for.
ENOUGH = (*WITHOUT_SPREAD, Refused.NOT_ESTIMABLE)


class Refusal(NamedTuple):
    """Why an estimate has no inference, for people and for the code; false where there is no reason."""

    text: str = ""
    kind: Refused | None = None

    def __bool__(self) -> bool:
        return self.kind is not None


def refusal(cut: Cut, form: Estimate, weights: Mapping[str, float], trend: bool = False) -> Refusal:
    """Why an estimate has no inference; false if it has. `trend`: it is a slope over doses."""
    if cut.technical:
        return Refusal("technical replicates: no inference", Refused.TECHNICAL)
    found = confounded(cut, weights)
    if found:
        return Refusal(found, Refused.CONFOUNDED)
    if np.isnan(cut.analysis).all():
        return Refusal("the outcome's scale does not apply to these values", Refused.SCALE)
    n = counts(cut, weights)
    few = [f"{a} ({k})" for a, k in n.items() if k < MIN_UNITS]
    # A slope within units takes several doses of each, not three units at every dose.
    if few and not (trend and cut.paired):
        who = "units" if cut.paired else "animals"
        return Refusal(f"fewer than {MIN_UNITS} {who} in {', '.join(few)}", Refused.FEW)
    if trend and not cut.paired:
        lacking = _dose_refusal(cut, weights)
        if lacking:
            return lacking
    if cut.spread_of_sizes > MOST_SPREAD:
        return Refusal(
            f"sizes with zeros vary by an SD of {cut.spread_of_sizes:.2g} on the logarithm, more "
            f"than "
            f"{MOST_SPREAD:g}: no interval of their means is known to hold",
            Refused.SKEWED,
        )
    if cut.paired:
        return _within_refusal(cut, form, weights, trend)
    if not np.isnan(form.se):
        return Refusal()
    if cut.adjusted_for and not np.isnan(cut.raw().form(cut.weights(weights)).se):
        names = " and ".join("blocks" if x == "block" else x for x in cut.adjusted_for)
        text = f"adjustment for {names} would leave no animals to compare: not estimable"
        return Refusal(text, Refused.NOT_ESTIMABLE)
    return _spread_refusal(cut, weights, trend)


def _spread_refusal(cut: Cut, weights: Mapping[str, float], trend: bool) -> Refusal:
    """Why animals of the contrasted arms (or of the doses of a trend) have no spread."""
    w = cut.weights(weights)
    inside = w[cut.arm] != 0
    group = (dose_of_each(cut, w) if trend else cut.arm)[inside]
    values = cut.natural[inside]
    if np.unique(values).size == 1:
        text = "all animals of the contrasted arms have the same value"
        return Refusal(text, Refused.SAME_VALUE)
    if all(np.unique(values[group == g]).size == 1 for g in np.unique(group)):
        what = "doses" if trend else "arms"
        text = f"the values do not vary within the {what}: there is no spread to compare them with"
    else:
        text = "the spread within the arms is lost beside the size of the values: use another unit"
    return Refusal(text, Refused.NO_SPREAD)


def _within_refusal(cut: Cut, form: Estimate, weights: Mapping[str, float], trend: bool) -> Refusal:
    """Why differences (or slopes) within units have no inference; false if they have.

    Units that lack an arm have no difference, so that arms of three may share two.
    """
    wanted = {i for i, arm in enumerate(cut.arms) if weights.get(arm)}
    held: dict[int, set[float]] = {}
    for unit, arm, dose in zip(
        cut.unit, cut.arm, dose_of_each(cut, cut.weights(weights)), strict=True
    ):
        if arm in wanted:
            held.setdefault(unit, set()).add(dose if trend else arm)
    whole = sum(len(h) > 1 if trend else h == wanted for h in held.values())
    what = "several doses" if trend else "every arm"
    if whole < MIN_UNITS:
        return Refusal(f"fewer than {MIN_UNITS} units with {what} ({whole})", Refused.FEW)
    if not np.isnan(form.se):
        return Refusal()
    equal = "slopes" if trend else "differences"
    return Refusal(f"all {equal} within units are equal: there is no spread", Refused.NO_SPREAD)


def _dose_refusal(cut: Cut, weights: Mapping[str, float]) -> Refusal:
    """Why animals have no slope over doses; false if they have one."""
    w = cut.weights(weights)
    none = int(((w[cut.arm] != 0) & np.isnan(dose_of_each(cut, w))).sum())
    if none:
        return Refusal(f"{none} animals have no dose", Refused.FEW)
    arms, _, doses = dose_arms(cut, w, cut.analysis)
    if len(doses) < 2:
        return Refusal("all animals have the same dose: a trend needs several", Refused.FEW)
    few = [f"{d:g} ({int(n)})" for d, n in zip(doses, arms.n, strict=True) if n < MIN_UNITS]
    if few:
        return Refusal(f"fewer than {MIN_UNITS} animals at dose {', '.join(few)}", Refused.FEW)
    return Refusal()


def no_worse(cut: Cut, deficit: Mapping[str, float], side: float) -> str:
    """Says so where the diseased arm is not the worse one, so that a share of the deficit means
    nothing.

    `side` is the direction of benefit; NaN where a gate has asked already.
    """
    if (
        not set(deficit) <= set(cut.arms)
        or not side * cut.summary().form(cut.weights(deficit)).estimate <= 0
    ):
        return ""
    healthy, disease = sorted(deficit, key=deficit.__getitem__, reverse=True)
    return f"{disease} is no worse than {healthy}: there is no deficit to take a share of"


def no_deficit_margin(cut: Cut, deficit: Mapping[str, float], side: float = np.nan) -> str:
    """Why a margin in shares of the deficit is not defined in a cut; empty if it is.

    The healthy and the diseased arm carry such a margin as the contrasted arms carry the effect, so that too few animals or a
    batch that passes for their difference leave it out too. `side` as in `no_worse`.
    """
    here = {cut.arms[i] for i in np.unique(cut.arm)}
    if cut.paired or not deficit or not set(deficit) <= here:
        return "margin not defined here: no healthy and disease arms for this outcome"
    found = refusal(cut, cut.summary().form(cut.weights(deficit)), deficit)
    text = no_worse(cut, deficit, side) if not found or found.kind in ENOUGH else found.text
    return text and f"margin not defined here: {text}"
