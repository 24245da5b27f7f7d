"""One graph of claims: gates, families, adjusted levels and verdicts, on arrays.

Nothing here knows how an estimate came about: it takes the forms of each claim (effect, effect − margin, effect + margin) as
arrays of shape (..., outcomes), so that a study (one row) and a calibration (a thousand) run the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.families import Levels, Sides, corrected
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
from periomics.statistics.kernels.discrete import Exact, ExactForms
from periomics.study.claims import NO_BENEFIT

ExactOutcomes = Mapping[int, ExactForms]
NONE_EXACT: Mapping[str, ExactOutcomes] = MappingProxyType({})
NO_LOADS: Mapping[str, Floats] = MappingProxyType({})
# Level of the lower end and of the upper one: `contrasts.interval` and `contrasts.signs`.
Ends = Callable[[Estimate, Floats, Floats], tuple[Floats, Floats]]
NOTHING = Estimate(np.array(np.nan), np.array(np.nan), np.array(np.nan))


class Forms(NamedTuple):
    """Benefit-signed forms of a claim, each of shape (..., outcomes)."""

    effect: Estimate
    above: Estimate
    below: Estimate


class Decision(NamedTuple):
    """What the graph decided for a claim; arrays of shape (..., outcomes), `overall` of shape (...).

    `level` is that of the side which is claimed, `level_refuted` and `level_improved` those at which the other sides were tested; each
    end of an interval is at the level of its side.
    """

    verdict: NDArray[np.str_]
    p: Floats
    p_adj: Floats
    level: Floats
    level_refuted: Floats
    level_improved: Floats
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
    plan: Plan,
    forms: Mapping[str, Forms],
    exact: Mapping[str, ExactOutcomes] = NONE_EXACT,
    loads: Mapping[str, Floats] = NO_LOADS,
    *,
    ends: Ends = interval,
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
    loads
        Claim id → `families.load` of its outcomes, for families corrected by Dunnett's test.
    ends
        `contrasts.interval`, or `contrasts.signs` where only the verdicts count.

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
        effects = [a.forms.effect for a in asked]
        levels = corrected(plan, family, [a.sides for a in asked], effects, loads)
        for c, a, level in zip(family, asked, levels, strict=True):
            out[c.id] = _decision(plan, c, a, level, ends)
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
    sides: Sides
    p: Floats
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
    sides = _sides(claim, forms)
    for i, own in exact.items():
        for p, value in zip(sides, _exact_sides(claim, own), strict=True):
            p[..., i] = value

    # An outcome that an earlier claim left behind stays in the family as one that cannot be rejected: which outcomes get this far depends
    # on the same animals, and a family that shrinks with them would not hold its level.
    def in_family(p: Floats) -> Floats:
        return np.where(no_deficit | unjudged, np.nan, np.where(waiting, 1.0, p))

    return Asked(
        forms=forms,
        exact=exact,
        sides=Sides(*map(in_family, sides)),
        p=sides.claimed,
        no_deficit=no_deficit,
        waiting=waiting,
        unjudged=unjudged,
    )


def _decision(plan: Plan, claim: Claim, asked: Asked, levels: Levels, of: Ends) -> Decision:
    """Verdicts of a claim at the levels of its family."""
    forms, exact, _, p, no_deficit, waiting, unjudged = asked
    takes_part = ~(no_deficit | waiting | unjudged)
    p_adj = np.where(takes_part, levels.p_adj, np.nan)
    claimed, refuted, improved = (
        np.where(takes_part & ~np.isnan(x), x, plan.alpha) for x in levels[1:]
    )
    # A graph may leave nothing for an outcome.
    waiting = waiting | (takes_part & (levels.claimed == 0))
    claimed = np.where(claimed > 0, claimed, plan.alpha)
    tails = 2 if claim.kind in NO_BENEFIT else 1
    ends = ends_of(claim.kind, forms, claimed, refuted, improved, of)
    for i, own in exact.items():
        for (lower, upper), form, (low, high) in zip(
            ends, own, _levels_of_ends(claim.kind, claimed, refuted, improved), strict=True
        ):
            lower[..., i] = _exact_end(form, 1 - tails * float(low[..., i]), 0)
            upper[..., i] = _exact_end(form, 1 - tails * float(high[..., i]), 1)
    verdict = v.judge(claim.kind, *ends[0], *ends[1], *ends[2]).astype("<U32")
    verdict = np.where(waiting & (verdict != v.NOT_JUDGED), v.NOT_TESTED, verdict)
    verdict = np.where(no_deficit & (verdict != v.NOT_JUDGED), v.NO_DEFICIT, verdict)
    verdict = np.where(unjudged, v.NOT_JUDGED, verdict)
    overall = v.combine(verdict) if claim.combine == "all" else None
    (lower, upper), (lower_margin, upper_margin) = ends[:2]
    return Decision(
        verdict=verdict,
        p=p,
        p_adj=p_adj,
        level=1 - tails * claimed,
        level_refuted=1 - tails * refuted,
        level_improved=1 - tails * improved,
        lower=lower,
        upper=upper,
        lower_margin=lower_margin,
        upper_margin=upper_margin,
        overall=overall,
    )


def ends_of(
    kind: str,
    forms: Forms,
    claimed: Floats,
    refuted: Floats,
    improved: Floats,
    of: Ends = interval,
) -> list[tuple[Floats, Floats]]:
    """Intervals of effect, effect − margin and effect + margin, each end at the level (an alpha) of the side that it decides."""
    tails = 2 if kind in NO_BENEFIT else 1
    levels = _levels_of_ends(kind, claimed, refuted, improved)
    asked = forms if kind == "equivalence" else forms._replace(below=NOTHING)
    found = (
        of(form, 1 - tails * low, 1 - tails * high)
        for form, (low, high) in zip(asked, levels, strict=True)
    )
    return [(np.array(lower), np.array(upper)) for lower, upper in found]


def _levels_of_ends(
    kind: str, claimed: Floats, refuted: Floats, improved: Floats
) -> tuple[tuple[Floats, Floats], ...]:
    """Levels of the lower and upper ends of effect, effect − margin and effect + margin: each end decides one side."""
    if kind == "non_superiority":
        return (improved, claimed), (refuted, claimed), (claimed, claimed)
    if kind == "equivalence":
        return (claimed, claimed), (refuted, claimed), (claimed, refuted)
    return (claimed, refuted), (claimed, refuted), (claimed, claimed)


def _exact_end(form: Exact | None, level: float, which: int) -> float:
    return form.interval(level)[which] if form and np.isfinite(level) else np.nan


def _exact_sides(claim: Claim, forms: ExactForms) -> tuple[float, float, float]:
    """As `_sides`, of an outcome that is judged exactly.

    The other sides have no p of their own (it would take forty exact intervals each): they count as not rejected, so that the levels of
    the family, theirs too, are never above Holm's.
    """
    effect, above, below = forms
    if claim.kind == "non_superiority":
        p = discrete.p_below(above) if above else np.nan
    elif claim.kind == "equivalence":
        p = np.nan
        if above and below:
            p = max(discrete.p_below(above), discrete.p_above(below))
    else:
        p = effect.p_two_sided()
    other = np.nan if np.isnan(p) else 1.0
    return p, other, other


def _sides(claim: Claim, forms: Forms) -> Sides:
    """p-values for what is claimed, for "refuted" and for "improved", each as its level is: two-sided, or one-sided at alpha."""
    effect, above, below = forms
    if claim.correction == "none" and not claim.combine:
        # The other sides are at alpha, whatever their p.
        p = np.array(_p_value(claim, forms))
        return Sides(p, np.full(p.shape, np.nan), np.full(p.shape, np.nan))
    p = _p_value(claim, forms)
    if claim.kind == "non_superiority":
        found = p, p_above(above), p_above(effect)
    elif claim.kind == "equivalence":
        outside = np.minimum(p_above(above), p_below(below))
        found = p, outside, outside
    else:
        lacking = np.where(np.isnan(above.se), p_below(effect), p_below(above))
        found = p, np.minimum(2 * lacking, 1.0), np.full(lacking.shape, np.nan)
    return Sides(*(np.array(x) for x in found))


def _p_value(claim: Claim, forms: Forms) -> Floats:
    """p-value of what is claimed."""
    if claim.kind == "non_superiority":
        return p_below(forms.above)
    if claim.kind == "equivalence":
        return np.maximum(p_below(forms.above), p_above(forms.below))
    return p_two_sided(forms.effect)
