"""Counts over drawn studies: verdicts and false ones, coverage of intervals and of Fieller's set, permutation p-values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from periomics.statistics.calibration import scenarios as sc
from periomics.statistics.calibration.bounds import BIAS, FAMILY_OF, TINY
from periomics.statistics.calibration.truths import Case, Fact, codes_drawn
from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.animals import MIN_UNITS
from periomics.statistics.claims.graph import Decision, Forms
from periomics.statistics.claims.plan import Claim, Plan
from periomics.statistics.kernels.contrasts import AnyArms, Floats, interval
from periomics.statistics.kernels.permutation import p_unknown_direction
from periomics.statistics.kernels.rescue import fieller
from periomics.study.claims import ALL_OF, COMPOSITE

PERMUTATIONS = 999


class Counts:
    """Counts of what happened, added over chunks."""

    def __init__(self) -> None:
        self.hits: dict[tuple, float] = defaultdict(float)
        self.trials: dict[tuple, float] = defaultdict(float)

    def add(
        self,
        quantity: str,
        claim: str,
        outcome: str,
        happened: np.ndarray,
        among: np.ndarray | None = None,
    ) -> None:
        key = (quantity, claim, outcome)
        among = np.ones(np.shape(happened), bool) if among is None else among
        self.hits[key] += float((happened & among).sum())
        self.trials[key] += float(among.sum())

    def mean(
        self, quantity: str, claim: str, outcome: str, values: np.ndarray, among: np.ndarray
    ) -> None:
        key = (quantity, claim, outcome)
        self.hits[key] += float(np.where(among, values, 0.0).sum())
        self.trials[key] += float(among.sum())


def count_claims(
    plan: Plan,
    what: Case,
    forms: Mapping[str, Forms],
    decisions: Mapping[str, Decision],
    facts: Mapping[tuple[str, str], Fact],
    index: Mapping[str, Floats],
    told: Mapping[str, Mapping[str, np.ndarray]],
    counts: Counts,
) -> None:
    wrong: list[np.ndarray] = []
    for claim in plan.claims:
        decision = decisions[claim.id]
        any_false: dict[str, np.ndarray] = {}
        bounds = interval(forms[claim.id].effect, 0.95)
        for i, outcome in enumerate(claim.outcomes):
            fact, verdict = facts[claim.id, outcome], decision.verdict[..., i]
            for word in v.VERDICTS:
                counts.add(f"verdict: {word}", claim.id, outcome, verdict == word)
            for direction, words in fact.false.items():
                false = np.isin(verdict, words)
                counts.add(direction, claim.id, outcome, false)
                any_false[direction] = any_false.get(direction, False) | false
            judged = ~np.isnan(bounds[0][..., i])
            if outcome in told.get(claim.id, {}):
                judged = judged & told[claim.id][outcome]
            effect = index[claim.id] if outcome == COMPOSITE else fact.effect
            inside = (bounds[0][..., i] <= effect) & (bounds[1][..., i] >= effect)
            counts.add("coverage", claim.id, outcome, inside, judged)
            counts.mean(
                BIAS, claim.id, outcome, forms[claim.id].effect.estimate[..., i] - effect, judged
            )
            gate = _gate_passed(plan, claim, outcome, decisions)
            if gate is not None:
                counts.add(
                    "coverage where the gate passed", claim.id, outcome, inside, judged & gate
                )
        for direction, false in any_false.items():
            counts.add(FAMILY_OF[direction], claim.id, "", false)
        if "false_supported" in any_false and claim.kind != "gate":
            wrong.append(any_false["false_supported"])
        if decision.overall is not None:
            _count_overall(claim, decision.overall, facts, counts)
    if wrong:
        counts.add("false_graph", "", "", np.any(wrong, axis=0))


def _count_overall(
    claim: Claim,
    overall: NDArray[np.str_],
    facts: Mapping[tuple[str, str], Fact],
    counts: Counts,
) -> None:
    """Over all outcomes: falsely supported where one outcome's own verdict would be false, falsely refuted where each one's would be."""
    whole = ALL_OF + ", ".join(claim.outcomes)
    for word in v.VERDICTS:
        counts.add(f"verdict: {word}", claim.id, whole, overall == word)
    if any("false_supported" in facts[claim.id, o].false for o in claim.outcomes):
        counts.add(
            "false_supported",
            claim.id,
            whole,
            np.isin(overall, (v.SUPPORTED, v.BELOW_MARGIN)),
        )
    if all("false_refuted" in facts[claim.id, o].false for o in claim.outcomes):
        counts.add("false_refuted", claim.id, whole, overall == v.REFUTED)


def _gate_passed(
    plan: Plan, claim: Claim, outcome: str, decisions: Mapping[str, Decision]
) -> np.ndarray | None:
    if not plan.needs_deficit(claim):
        return None
    for gate in plan.gates:
        if outcome in gate.outcomes:
            return v.passed(decisions[gate.id].verdict[..., gate.outcomes.index(outcome)])
    return None


def count_fieller(
    plan: Plan,
    what: Case,
    place: sc.Layout,
    known: sc.Truth,
    analysis: AnyArms,
    means: np.ndarray,
    decisions: Mapping[str, Decision],
    counts: Counts,
) -> None:
    healthy, disease = place.arms.index(plan.healthy), place.arms.index(plan.disease)
    gate = plan.gates[0] if plan.gates else None
    for outcome in (o for o in what.outcomes if o != COMPOSITE):
        i = what.drawn.index(outcome)
        true = known.natural[:, i]
        if abs(true[healthy] - true[disease]) < TINY:
            continue  # no deficit, no share of it
        for arm in (a for a in plan.treated if a in place.arms):
            j = place.arms.index(arm)
            fit = analysis.some((slice(None), [i]))
            code = codes_drawn(np.array([0]), means[:, [i]], [i], known)
            found = fieller(fit, healthy, disease, j, 0.95, code)
            lower, upper, bounded = (
                np.asarray(x)[..., 0] for x in (found.lower, found.upper, found.bounded)
            )
            seen = ~np.isnan(found.R[..., 0]) & (fit.n[:, 0] >= MIN_UNITS).all(axis=-1)
            counts.add("fieller unbounded", arm, outcome, ~bounded, seen)
            R = (true[j] - true[disease]) / (true[healthy] - true[disease])
            inside = np.where(
                bounded, (lower <= R) & (upper >= R), np.isnan(lower) | (lower >= R) | (upper <= R)
            )
            counts.add("fieller coverage", arm, outcome, inside, seen)
            if gate is not None and outcome in gate.outcomes:
                passed = v.passed(decisions[gate.id].verdict[..., gate.outcomes.index(outcome)])
                counts.add(
                    "fieller coverage where the gate passed", arm, outcome, inside, seen & passed
                )


def count_permutations(
    plan: Plan,
    what: Case,
    place: sc.Layout,
    drawn: sc.Drawn,
    rng: np.random.Generator,
    counts: Counts,
) -> None:
    """How often the permutation test that estimates the direction of benefit finds an improvement that is not there."""
    healthy, disease = place.arms.index(plan.healthy), place.arms.index(plan.disease)
    for arm in (a for a in plan.treated if a in place.arms):
        code = {disease: 0, place.arms.index(arm): 1, healthy: 2}
        rows = np.isin(place.arm, list(code))
        arms = np.array([code[int(i)] for i in place.arm[rows]])
        p = p_unknown_direction(
            drawn.analysis[..., rows], arms, place.block[rows], rng, PERMUTATIONS
        )
        for i, outcome in enumerate(what.drawn):
            counts.add("permutation_false", arm, outcome, p[:, i] <= plan.alpha)
