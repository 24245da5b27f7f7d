"""One graph of claims: gates, families, adjusted levels and verdicts, on arrays.

Nothing here knows how an estimate came about: it takes the forms of each claim (effect, effect − margin, effect + margin) as
arrays of shape (..., outcomes), so that a study (one row) and a calibration (a thousand) run the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periomics.core.multiplicity import benjamini_hochberg, holm, holm_levels
from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.plan import Claim, Plan
from periomics.statistics.kernels import discrete, position
from periomics.statistics.kernels.contrasts import (
    AnyArms,
    Estimate,
    Floats,
    interval,
    p_above,
    p_below,
    p_two_sided,
)
from periomics.statistics.kernels.discrete import ExactForms
from periomics.study.claims import NO_BENEFIT

ExactOutcomes = Mapping[int, ExactForms]
NONE_EXACT: Mapping[str, ExactOutcomes] = MappingProxyType({})
NOTHING = Estimate(np.array(np.nan), np.array(np.nan), np.array(np.nan))


class Forms(NamedTuple):
    """Benefit-signed forms of a claim, each of shape (..., outcomes)."""

    effect: Estimate
    above: Estimate
    below: Estimate


class Decision(NamedTuple):
    """What the graph decided for a claim; arrays of shape (..., outcomes), `overall` of shape (...)."""

    verdict: NDArray[np.str_]
    p: Floats
    p_adj: Floats
    level: Floats
    lower: Floats
    upper: Floats
    lower_margin: Floats
    upper_margin: Floats
    overall: NDArray[np.str_] | None


def arm_forms(
    plan: Plan,
    claim: Claim,
    names: list[str],
    analysis: AnyArms,
    natural: AnyArms,
    sign: ArrayLike,
    code: ArrayLike = position.IDENTITY,
) -> Forms:
    """Forms of a claim on independent arms.

    Parameters
    ----------
    plan, claim
        The plan and one of its claims.
    names
        Arm of each position of the last axis.
    analysis, natural
        Arms on the outcome's scale and on its natural scale, shape (..., outcomes, arms).
    sign
        +1 where more is better, −1 where less is better, NaN without a direction; shape (outcomes,).
    code
        Code of each outcome's scale (`position.codes`), shape (outcomes,).

    Returns
    -------
    Forms
        All on the outcome's scale. Rescue and margins in shares of the deficit are statements about natural positions
        (`position.form`); a margin in SD is one in SD of the outcome's scale; only a margin in the natural unit is tested on raw
        natural means.
    """
    sign = np.asarray(sign, float)
    weights = plan.weights_of(claim)
    if not set(weights) <= set(names):
        return Forms(NOTHING, NOTHING, NOTHING)
    w = np.array([weights.get(a, 0.0) for a in names])
    if claim.kind == "rescue":
        return Forms(position.form(analysis, w, code).signed(sign), NOTHING, NOTHING)
    effect = analysis.form(w).signed(sign)
    if claim.kind == "gate":
        return Forms(effect, NOTHING, NOTHING)
    margin = plan.margin_of(claim)
    if margin.kind == "deficit":
        deficit = plan.deficit()
        if not deficit or not set(deficit) <= set(names):
            return Forms(effect, NOTHING, NOTHING)
        d = margin.value * np.array([deficit.get(a, 0.0) for a in names])
        above, below = (position.form(analysis, x, code).signed(sign) for x in (w - d, w + d))
        return Forms(effect, above, below)
    if margin.kind == "sd":
        return sd_margin_forms(effect, np.sqrt(_pooled(analysis, w)), margin.value)
    raw = natural.form(w).signed(sign)
    return Forms(effect, raw.shifted(margin.value), raw.shifted(-margin.value))


def _pooled(arms: AnyArms, w: Floats) -> Floats:
    """Variance between animals of the arms of a contrast."""
    used = w != 0
    free = np.where(used, arms.n - 1, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(used, arms.var * (arms.n - 1), 0.0).sum(axis=-1) / free.sum(axis=-1)


def fixed_margin_forms(effect: Estimate, natural: Estimate, margin: float) -> Forms:
    """Forms of a claim on within-unit differences with a margin in the natural unit (NaN: none)."""
    return Forms(effect, natural.shifted(margin), natural.shifted(-margin))


def sd_margin_forms(effect: Estimate, spread: ArrayLike, margin: float) -> Forms:
    """Forms of a claim with a margin in SD, which is estimated by `spread` and not known."""
    return Forms(effect, effect.against(margin, spread), effect.against(-margin, spread))


def decide(
    plan: Plan, forms: Mapping[str, Forms], exact: Mapping[str, ExactOutcomes] = NONE_EXACT
) -> dict[str, Decision]:
    """Walk the claims in their order.

    Parameters
    ----------
    plan
        The plan.
    forms
        Forms of each claim id, shape (..., outcomes of the claim).
    exact
        Claim id → place of an outcome → its forms where it is judged exactly (yes or no, grades); they take the place of those in
        `forms`. Of one study only.

    Returns
    -------
    dict
        Decision of each claim id. An outcome without a deficit reads "no deficit" wherever the claim needs one and leaves the family;
        an outcome whose earlier claim is not supported reads "not tested" and still counts in the size of the family.
    """
    out: dict[str, Decision] = {}
    done: dict[str, Claim] = {}
    members: dict[str, list[Claim]] = {}
    for claim in plan.claims:
        members.setdefault(claim.family, []).append(claim)
    for claim in plan.claims:
        family = members[claim.family]
        if claim is not family[-1]:
            continue  # decided with the last claim of its family
        asked = [
            _asked(plan, c, _full(forms[c.id], len(c.outcomes)), exact.get(c.id, {}), out, done)
            for c in family
        ]
        levels = _corrected(claim.correction, [a.family for a in asked], plan.alpha)
        for c, a, (p_adj, alpha) in zip(family, asked, levels, strict=True):
            out[c.id] = _decision(plan, c, a, p_adj, alpha)
            done[c.id] = c
    return {c.id: out[c.id] for c in plan.claims}


def _full(forms: Forms, outcomes: int) -> Forms:
    """The same forms with every array of one shape (..., outcomes)."""
    shape = np.broadcast_shapes(
        (outcomes,), *(a.shape for form in forms for a in map(np.asarray, form))
    )
    return Forms(
        *(Estimate(*(np.broadcast_to(np.asarray(a, float), shape) for a in form)) for form in forms)
    )


def _earlier(claim: Claim, other: Claim, verdict: NDArray[np.str_]) -> NDArray[np.str_]:
    """Verdicts of an earlier claim for the outcomes of this one; outcomes it does not judge pass."""
    if not claim.outcomes:
        return np.empty((*verdict.shape[:-1], 0), "<U32")
    columns = [
        verdict[..., other.outcomes.index(o)]
        if o in other.outcomes
        else np.full(verdict.shape[:-1], v.SUPPORTED)
        for o in claim.outcomes
    ]
    return np.stack(columns, axis=-1)


class Asked(NamedTuple):
    """A claim before its family is corrected; arrays of shape (..., outcomes)."""

    forms: Forms
    exact: ExactOutcomes
    p: Floats
    family: Floats
    no_deficit: NDArray[np.bool_]
    waiting: NDArray[np.bool_]
    unjudged: NDArray[np.bool_]


def _asked(
    plan: Plan,
    claim: Claim,
    forms: Forms,
    exact: ExactOutcomes,
    out: Mapping[str, Decision],
    done: Mapping[str, Claim],
) -> Asked:
    """What takes part in the family of a claim, by the claims that it waits for."""
    shape = forms.effect.estimate.shape
    no_deficit, waiting, unjudged = (np.zeros(shape, bool) for _ in range(3))
    gates = [g.id for g in plan.gates if plan.needs_deficit(claim) and g.id in out]
    for name in (*gates, *(c for c in claim.after if c not in gates)):
        seen = _earlier(claim, done[name], out[name].verdict)
        no_deficit = no_deficit | (seen == v.NO_DEFICIT)
        unjudged = unjudged | (seen == v.NOT_JUDGED)
        if name not in gates:
            waiting |= ~v.passed(seen)
    p = np.array(_p_value(claim, forms))
    for i, own in exact.items():
        p[..., i] = _exact_p(claim, own)
    # An outcome that an earlier claim left behind stays in the family as one that cannot be rejected: which outcomes get this far depends
    # on the same animals, and a family that shrinks with them would not hold its level.
    family = np.where(no_deficit | unjudged, np.nan, np.where(waiting, 1.0, p))
    return Asked(
        forms=forms,
        exact=exact,
        p=p,
        family=family,
        no_deficit=no_deficit,
        waiting=waiting,
        unjudged=unjudged,
    )


def _corrected(
    correction: str, families: Sequence[Floats], alpha: float
) -> list[tuple[Floats, Floats]]:
    """Adjusted p-values and levels of the claims of one family, corrected over all their outcomes together."""
    shapes = np.broadcast_shapes(*(f.shape[:-1] for f in families))
    p = np.concatenate([np.broadcast_to(f, (*shapes, f.shape[-1])) for f in families], axis=-1)
    if correction == "holm":
        p_adj, level = holm(p), holm_levels(p, alpha)
    elif correction == "bh":
        # Intervals at the level that BH found for the family (false coverage rate).
        p_adj = benjamini_hochberg(p)
        found = (p_adj <= alpha).sum(axis=-1, keepdims=True)
        size = (~np.isnan(p)).sum(axis=-1, keepdims=True)
        level = np.broadcast_to(alpha * np.maximum(found, 1) / np.maximum(size, 1), p.shape)
    else:
        p_adj, level = p, np.full(p.shape, alpha)
    ends = np.cumsum([f.shape[-1] for f in families])[:-1]
    return list(zip(np.split(p_adj, ends, axis=-1), np.split(level, ends, axis=-1), strict=True))


def _decision(plan: Plan, claim: Claim, asked: Asked, p_adj: Floats, alpha: Floats) -> Decision:
    """Verdicts of a claim at the levels of its family."""
    forms, exact, p, _, no_deficit, waiting, unjudged = asked
    takes_part = ~(no_deficit | waiting | unjudged)
    p_adj, alpha = np.where(takes_part, p_adj, np.nan), np.where(takes_part, alpha, plan.alpha)
    level = 1 - (2 * alpha if claim.kind in NO_BENEFIT else alpha)
    bounds = [tuple(np.array(end) for end in interval(form, level)) for form in forms]
    for i, own in exact.items():
        for ends, form in zip(bounds, own, strict=True):
            at = float(level[..., i])
            found = form.interval(at) if form and np.isfinite(at) else (np.nan, np.nan)
            ends[0][..., i], ends[1][..., i] = found
    verdict = v.judge(claim.kind, *bounds[0], *bounds[1], *bounds[2]).astype("<U32")
    verdict = np.where(waiting & (verdict != v.NOT_JUDGED), v.NOT_TESTED, verdict)
    verdict = np.where(no_deficit & (verdict != v.NOT_JUDGED), v.NO_DEFICIT, verdict)
    verdict = np.where(unjudged, v.NOT_JUDGED, verdict)
    overall = v.combine(verdict) if claim.combine == "all" else None
    (lower, upper), (lower_margin, upper_margin) = bounds[:2]
    return Decision(
        verdict=verdict,
        p=p,
        p_adj=p_adj,
        level=level,
        lower=lower,
        upper=upper,
        lower_margin=lower_margin,
        upper_margin=upper_margin,
        overall=overall,
    )


def _exact_p(claim: Claim, forms: ExactForms) -> float:
    """The p-value of a claim on an outcome that is judged exactly."""
    if claim.kind == "non_superiority":
        return discrete.p_below(forms.above) if forms.above else np.nan
    if claim.kind == "equivalence":
        if not (forms.above and forms.below):
            return np.nan
        return max(discrete.p_below(forms.above), discrete.p_above(forms.below))
    return forms.effect.p_two_sided()


def _p_value(claim: Claim, forms: Forms) -> Floats:
    if claim.kind == "non_superiority":
        return p_below(forms.above)
    if claim.kind == "equivalence":
        return np.maximum(p_below(forms.above), p_above(forms.below))
    return p_two_sided(forms.effect)
