"""Power by simulation: whole studies drawn from what was planned, judged by the very code that judges a study."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from periomics.core.seeds import generator
from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.families import load, shared_arm
from periomics.statistics.claims.graph import (
    Forms,
    arm_forms,
    decide,
    fixed_margin_forms,
    sd_margin_forms,
)
from periomics.statistics.claims.plan import Claim, Plan
from periomics.statistics.kernels.contrasts import Arms, Floats, one_sample, signs, summarise
from periomics.statistics.planning.planned_truth import Truth, effect_of_claim, index_sd
from periomics.study.claims import COMPOSITE

CHUNK = 500  # studies drawn at once


class Power(NamedTuple):
    """Share of studies in which a claim is supported, by (claim id, outcome); outcome '' is a claim over all outcomes."""

    alone: dict[tuple[str, str], float]
    in_graph: dict[tuple[str, str], float]


def simulate(
    plan: Plan,
    t: Truth,
    within: Mapping[str, bool],
    n: Mapping[tuple[str, str], int],
    studies: int,
    seed: int,
    correlation: float,
    factor: float = 1.0,
    by_themselves: Collection[str] | None = None,
) -> Power:
    """Draw studies and count supported claims.

    Parameters
    ----------
    plan
        Claims.
    t
        Effects in SD, margins and signs.
    within
        Claim id → whether it compares arms within units.
    n
        (outcome, arm) → animals, and (outcome, contrast id) → units, as `Truth.n`.
    studies
        How many.
    seed
        Of the config. The same draws serve every `factor`.
    correlation
        Between the outcomes of an animal.
    factor
        All effects are multiplied by this.
    by_themselves
        Ids of claims for which `alone` is wanted; all where None.

    Returns
    -------
    Power
        `alone`: each claim judged by itself at alpha; `in_graph`: with gates, earlier claims and Holm, as verdicts are given.
        Values are normal with equal variances; an outcome that has fewer animals than another lacks the last ones.
    """
    alone: dict[tuple[str, str], float] = {}
    graph: dict[tuple[str, str], float] = {}
    done = 0
    while done < studies:
        k = min(CHUNK, studies - done)
        rng = generator(seed, "estimate_power", str(done))
        forms, loads = _forms(
            plan, t, within, n=n, studies=k, rng=rng, correlation=correlation, factor=factor
        )
        _count(graph, plan, decide(plan, forms, loads=loads, ends=signs))
        for claim in plan.claims:
            if by_themselves is not None and claim.id not in by_themselves:
                continue
            single = replace(plan, claims=(replace(claim, after=(), correction="none"),))
            _count(alone, single, decide(single, {claim.id: forms[claim.id]}, ends=signs))
        done += k
    return Power(
        {k: x / studies for k, x in alone.items()}, {k: x / studies for k, x in graph.items()}
    )


def _count(total: dict[tuple[str, str], float], plan: Plan, decisions: Mapping) -> None:
    for claim in plan.claims:
        decision = decisions[claim.id]
        for i, outcome in enumerate(claim.outcomes):
            key = (claim.id, outcome)
            total[key] = total.get(key, 0.0) + float(v.passed(decision.verdict[..., i]).sum())
        if decision.overall is not None:
            key = (claim.id, "")
            total[key] = total.get(key, 0.0) + float(v.passed(decision.overall).sum())


def _forms(
    plan: Plan,
    t: Truth,
    within: Mapping[str, bool],
    n: Mapping[tuple[str, str], int],
    studies: int,
    rng: np.random.Generator,
    correlation: float,
    factor: float,
) -> tuple[dict[str, Forms], dict[str, Floats]]:
    arms = _draw_arms(t, n, studies, rng, correlation, factor)
    sd = {o: t.spread[o].natural if t.spread[o].natural > 0 else 1.0 for o in t.outcomes}
    out, loads = {}, {}
    for claim in plan.claims:
        index = [t.outcomes.index(o) for o in claim.outcomes]
        sign = np.array([t.sign[o] for o in claim.outcomes])
        if within[claim.id]:
            out[claim.id] = _within_forms(
                plan,
                claim,
                t,
                n=n,
                studies=studies,
                rng=rng,
                correlation=correlation,
                factor=factor,
                sd=sd,
                sign=sign,
            )
        else:
            own = Arms(*(a[:, index] for a in arms))
            out[claim.id] = arm_forms(plan, claim, list(t.arms), own, own, sign)
            if claim.correction == "dunnett":
                family = [plan.weights_of(c) for c in plan.claims if c.family == claim.family]
                loads[claim.id] = load(own, t.arms, plan.weights_of(claim), shared_arm(family))
    return out, loads


def _correlated(
    rng: np.random.Generator, studies: int, outcomes: int, units: int, correlation: float
) -> np.ndarray:
    """Standard normals of shape (studies, outcomes, units) that share a factor over outcomes."""
    shared = rng.standard_normal((studies, 1, units))
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.standard_normal(
        (studies, outcomes, units)
    )


def _draw_arms(
    t: Truth,
    n: Mapping[tuple[str, str], int],
    studies: int,
    rng: np.random.Generator,
    correlation: float,
    factor: float,
) -> Arms:
    """Means, variances and numbers of shape (studies, outcomes, arms), in the natural unit where its SD is known."""
    parts = []
    names = list(
        dict.fromkeys((*(o for o in t.outcomes if not (t.index and o == COMPOSITE)), *t.index))
    )
    for arm in t.arms:
        most = max(max((n[o, arm] for o in (*t.outcomes, *t.index)), default=0), 1)
        z = _correlated(rng, studies, len(names), most, correlation)
        for i, o in enumerate(names):
            z[:, i] += factor * t.d[o] * t.R[arm]
        out = np.empty((studies, len(t.outcomes), most))
        for i, o in enumerate(t.outcomes):
            if t.index and o == COMPOSITE:
                scale = index_sd(t.index, correlation)
                value = sum(w / scale * z[:, names.index(k)] for k, w in t.index.items())
            else:
                value = z[:, names.index(o)]
            out[:, i] = value * (t.spread[o].natural if t.spread[o].natural > 0 else 1.0)
            out[:, i, n[o, arm] :] = np.nan
        parts.append(summarise(out, np.zeros(most, int), 1))
    if not parts:
        return Arms(*(np.empty((studies, len(t.outcomes), 0)) for _ in range(3)))
    return Arms(*(np.concatenate(a, axis=-1) for a in zip(*parts, strict=True)))


def _within_forms(
    plan: Plan,
    claim: Claim,
    t: Truth,
    n: Mapping[tuple[str, str], int],
    studies: int,
    rng: np.random.Generator,
    correlation: float,
    factor: float,
    sd: Mapping[str, float],
    sign: np.ndarray,
) -> Forms:
    most = max([n[o, claim.contrast] for o in claim.outcomes] or [0])
    z = _correlated(rng, studies, len(claim.outcomes), max(most, 1), correlation)
    size = np.array([sd[o] for o in claim.outcomes])
    for i, o in enumerate(claim.outcomes):
        z[:, i] = size[i] * (factor * effect_of_claim(plan, claim, t, o, True) + z[:, i])
        z[:, i, n[o, claim.contrast] :] = np.nan
    form = one_sample(z)
    form = form._replace(se=np.where(np.isnan(sign), np.nan, form.se))
    margin = plan.margin_of(claim)
    units = np.array([n[o, claim.contrast] for o in claim.outcomes], float)
    if margin.kind == "sd":
        return sd_margin_forms(form, form.se * np.sqrt(units), margin.value)
    return fixed_margin_forms(form, form, margin.value if margin.kind == "raw" else np.nan)
