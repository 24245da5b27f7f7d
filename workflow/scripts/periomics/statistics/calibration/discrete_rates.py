"""How often yes-or-no outcomes and grades are judged rightly: drawn outcomes cut into answers, judged study by study.

The functions of a study run (`claims.exact`, `graph.decide`), which know one study at a time; so fewer studies are drawn than of
other scenarios.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from periomics.simulate.design import to_link
from periomics.statistics.calibration import scenarios as sc
from periomics.statistics.calibration.bounds import FAMILY_OF, false_verdicts
from periomics.statistics.claims import animals as a
from periomics.statistics.claims import exact
from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.graph import NOTHING, Forms, decide
from periomics.statistics.claims.plan import Claim, Plan
from periomics.statistics.kernels.contrasts import Floats
from periomics.statistics.kernels.discrete import ExactForms

# Shares of the deficit at which an outcome is cut.
CUTS = {"binary": (0.5,), "ordinal": (0.25, 0.5, 0.75)}
# One study in so many of the other scenarios'.
FEWER = 10
Add = Callable[..., None]


def thresholds(known: sc.Truth, kind: str) -> Floats:
    """Where each outcome is cut, on its link scale; shape (cuts, outcomes)."""
    diseased, healthy = known.ends
    cuts = [diseased + r * (healthy - diseased) for r in CUTS[kind]]
    return np.array(
        [[float(to_link(c[i], link)) for i, link in enumerate(known.links)] for c in cuts]
    )


def answers(values: Floats, known: sc.Truth, at: Floats) -> Floats:
    """How many cuts each animal has passed towards healthy; shape of `values` (studies, outcomes, animals)."""
    better = known.sign[:, None] * (values - at[:, None, :, None]) > 0
    return np.where(np.isnan(values), np.nan, better.sum(axis=0))


def chances(known: sc.Truth, at: Floats) -> Floats:
    """Chance of each answer in each arm, shape (answers, arms, outcomes)."""
    passed = ndtr(known.sign * (known.location - at[:, None, :]) / known.spread)
    edges = np.concatenate([np.ones_like(passed[:1]), passed, np.zeros_like(passed[:1])])
    return edges[:-1] - edges[1:]


def true_form(p: Floats, w: Floats, kind: str) -> float:
    """Weighted sum of shares of yes, or the tendency of the first arm to have higher grades, minus ½; p is (answers, arms)."""
    if kind == "binary":
        return float(w @ p[1])
    one, two = p[:, int(np.argmax(w))], p[:, int(np.argmin(w))]
    joint = np.outer(one, two)
    return float(np.tril(joint, -1).sum() + np.trace(joint) / 2 - 0.5)


def judged_plan(plan: Plan, kind: str) -> Plan:
    """The claims that answers of this kind can be asked."""
    kept = [
        c
        for c in plan.claims
        if kind == "binary" or (c.kind != "rescue" and len(plan.weights_of(c)) == 2)
    ]
    names = {c.id for c in kept}
    claims = [replace(c, after=tuple(x for x in c.after if x in names)) for c in kept]
    return replace(plan, claims=tuple(claims))


def count_exact(
    plan: Plan,
    outcomes: tuple[str, ...],
    place: sc.Layout,
    known: sc.Truth,
    values: Floats,
    kind: str,
    add: Add,
) -> None:
    """Judge drawn studies and count verdicts, false ones and coverage.

    Parameters
    ----------
    plan
        The claims between animals.
    outcomes
        What is drawn, in the order of the axis.
    place, known
        Design and truth.
    values
        Drawn values on the link scale, shape (studies, outcomes, animals).
    kind
        binary or ordinal.
    add
        Counts: quantity, claim, outcome, whether it happened, among which.
    """
    plan, at = judged_plan(plan, kind), thresholds(known, kind)
    p, found = chances(known, at), answers(values, known, at)
    truths = {
        (c.id, o): _truth(plan, c, p[..., outcomes.index(o)], place, kind)
        for c in plan.claims
        for o in c.outcomes
    }
    for study in found:
        forms = {c.id: _forms(plan, c, outcomes, place, study, kind) for c in plan.claims}
        nothing = {c.id: Forms(NOTHING, NOTHING, NOTHING) for c in plan.claims}
        decisions = decide(plan, nothing, forms)
        for claim in plan.claims:
            wrong = dict.fromkeys(FAMILY_OF.values(), False)
            for i, outcome in enumerate(claim.outcomes):
                effect, false = truths[claim.id, outcome]
                verdict = str(decisions[claim.id].verdict[i])
                for word in v.VERDICTS:
                    add(f"verdict: {word}", claim.id, outcome, np.array(verdict == word))
                for direction, words in false.items():
                    add(direction, claim.id, outcome, np.array(verdict in words))
                    wrong[FAMILY_OF[direction]] |= verdict in words
                form = forms[claim.id].get(i)
                if form is not None:
                    lower, upper = form.effect.interval(0.95)
                    inside = lower - 1e-9 <= effect <= upper + 1e-9
                    add("coverage", claim.id, outcome, np.array(inside))
            for quantity, happened in wrong.items():
                add(quantity, claim.id, "", np.array(happened))


def _truth(
    plan: Plan, claim: Claim, p: Floats, place: sc.Layout, kind: str
) -> tuple[float, Mapping[str, tuple[str, ...]]]:
    w = np.array([plan.weights_of(claim).get(arm, 0.0) for arm in place.arms])
    effect = true_form(p, w, kind)
    above = below = np.nan
    margin = plan.margin_of(claim)
    if kind == "binary" and claim.kind not in ("gate", "rescue") and margin.kind == "deficit":
        d = margin.value * np.array([plan.deficit().get(arm, 0.0) for arm in place.arms])
        above, below = effect - float(d @ p[1]), effect + float(d @ p[1])
    elif claim.kind not in ("gate", "rescue") and margin.kind == "raw":
        above, below = effect - margin.value, effect + margin.value
    return effect, false_verdicts(claim.kind, effect, above, below)


def _forms(
    plan: Plan,
    claim: Claim,
    outcomes: tuple[str, ...],
    place: sc.Layout,
    study: Floats,
    kind: str,
) -> dict[int, ExactForms]:
    out = {}
    for i, outcome in enumerate(claim.outcomes):
        cut = _cut(plan, place, study[outcomes.index(outcome)])
        found, _ = exact.form(cut, plan.weights_of(claim), kind, outcome)
        if found is not None:
            out[i], _ = exact.claim_forms(plan, claim, cut, found)
    return out


def _cut(plan: Plan, place: sc.Layout, values: Floats) -> a.Cut:
    """One outcome of a drawn study as a cut."""
    seen = ~np.isnan(values)
    n = int(seen.sum())
    blocked = plan.adjustment.blocks and bool(place.block.any())
    return a.Cut(
        time=np.nan,
        time_unit="",
        arms=place.arms,
        units=tuple(map(str, range(n))),
        natural=values[seen],
        analysis=values[seen],
        arm=place.arm[seen],
        unit=np.arange(n),
        dose=np.full(n, np.nan),
        block=place.block[seen].astype(str) if blocked else np.full(n, ""),
        batch=np.full(n, ""),
        covariates=np.empty((n, 0)),
        adjusted_for=("block",) if blocked else (),
        limits=(-np.inf, np.inf),
        paired=False,
        technical=False,
        note="",
    )
