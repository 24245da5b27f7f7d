"""One row per claim and outcome: power now, what could be detected, animals needed; and the curves behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.animals import MIN_UNITS
from periomics.statistics.claims.plan import Claim, Plan
from periomics.statistics.planning import planned_truth as planned
from periomics.statistics.planning import power as formula
from periomics.statistics.planning.simulated_power import Power, simulate
from periomics.study.claims import CORRECTIONS
from periomics.study.claims import DIFFERENCE as DIFFERENCE_KINDS
from periomics.study.interface.power import COMBINED
from periomics.study.settings.planning import Planning

COLUMNS = (
    "claim_id",
    "outcome",
    "kind",
    "contrast",
    "n_now",
    "planned_effect_sd",
    "margin_sd",
    "power",
    "power_adjusted",
    "wanted_power",
    "detectable",
    "detectable_sd",
    "detectable_natural",
    "unit",
    "detectable_percent",
    "detectable_share",
    "detectable_sd_adjusted",
    "n_needed",
    "n_needed_adjusted",
    "method",
    "adjusted_by",
    "simulation_error",
    "sd",
    "sd_lower",
    "sd_upper",
    "sd_per_arm",
    "sd_source",
    "basis",
    "reason",
)
CURVE_COLUMNS = ("claim_id", "outcome", "n", "power", "power_adjusted", "method")
DIFFERENCE, MARGIN, DEFICIT = "difference", "margin", "deficit"
# Beyond the curve, animals per arm at which power is simulated; between them it is interpolated and rounded up.
_FURTHER = (1.2, 1.5, 2, 2.5, 3, 4, 5, 7, 10)
_FACTORS = np.array([0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10])


@dataclass(frozen=True)
class Case:
    """A claim and outcome with what its rows need; `exact` is the power by formula of (effect or margin, n1, n2), if any."""

    claim: Claim
    outcome: str
    within: bool
    now: Mapping[str, int]
    effect: float
    margin: float
    reason: str
    exact: Callable[[float, float, float], float] | None


def power_tables(
    analysis: Analysis, settings: Planning, sheet: pd.DataFrame, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Power of every claim of a study, before or after it was measured, never from the effect that it found.

    Parameters
    ----------
    analysis
        Plan, dictionary and, where there are measured animals, these: SD and numbers of animals.
    settings
        The planning section.
    sheet
        The animals sheet.
    seed
        Of the config.

    Returns
    -------
    power
        Columns `COLUMNS`. `power` is of the claim by itself at alpha (`method`: formula or simulation), `power_adjusted` within the
        graph of claims. `detectable` says what is meant: the difference, the margin that can be ruled out or the deficit
        that a rescue claim needs, in SD, in the natural unit, in percent on log scales and as a share of the planned deficit.
    curves
        Columns `CURVE_COLUMNS`: n animals in every arm (units, for claims within units).
    """
    plan, dictionary = planned.plannable(analysis.plan), analysis.dictionary
    t = planned.truth(analysis.under(plan), settings, sheet)
    groups = [g for g in sheet["group"].unique() if g]
    within = {c.id: planned.is_within(plan, c, groups) for c in plan.claims}
    cases = [_case(plan, c, o, t, within[c.id]) for c in plan.claims for o in c.outcomes]
    low, high = settings.n
    ns = [
        *range(low, high + 1),
        *sorted({min(round(high * f), settings.n_limit) for f in _FURTHER} - set(range(high + 1))),
    ]

    simulated = {c.claim.id for c in cases if c.exact is None or c.claim.combine}

    def run(n: int | None, factor: float = 1.0) -> Power:
        numbers = t.n if n is None else dict.fromkeys(t.n, n)
        return simulate(
            plan,
            t,
            within,
            n=numbers,
            studies=settings.simulations,
            seed=seed,
            correlation=settings.correlation,
            factor=factor,
            by_themselves=simulated,
        )

    if not plan.claims:
        return pd.DataFrame(columns=list(COLUMNS)), pd.DataFrame(columns=list(CURVE_COLUMNS))
    by_n = {n: run(n) for n in ns}
    now, by_factor = run(None), [run(None, f) for f in _FACTORS]
    rows, curves = [], []
    for case in cases:
        rows.append(
            _row(
                plan,
                settings,
                t,
                case=case,
                now=now,
                by_n=by_n,
                by_factor=by_factor,
                dictionary=dictionary,
            )
        )
        if not case.reason:
            curves += [_point(plan, case, n, by_n[n], settings) for n in ns if n <= high]
    for claim in plan.claims:
        if claim.combine:
            rows.append(_combined(settings, claim, now, by_n))
            curves += [
                {
                    "claim_id": claim.id,
                    "outcome": COMBINED,
                    "n": n,
                    "power": by_n[n].alone[claim.id, ""],
                    "power_adjusted": by_n[n].in_graph[claim.id, ""],
                    "method": "simulation",
                }
                for n in ns
                if n <= high
            ]
    return pd.DataFrame(rows, columns=list(COLUMNS)), pd.DataFrame(
        curves, columns=list(CURVE_COLUMNS)
    )


def _case(plan: Plan, claim: Claim, outcome: str, t: planned.Truth, within: bool) -> Case:
    margin = np.nan
    reason = t.refused[outcome]
    if claim.kind in planned.NO_BENEFIT:
        margin = planned.margin_in_sd(plan, claim, t, outcome)
        if within and plan.margin_of(claim).kind == "deficit":
            margin = np.nan
        if np.isnan(margin):
            reason = (
                reason
                or "the margin in SD is not known: no healthy and disease arms, or no measured SD for a margin in the natural unit"
            )
    now = planned.arms_now(plan, claim, t, outcome, within)
    effect = planned.effect_of_claim(plan, claim, t, outcome, within)
    exact = None if reason else _formula(plan, claim, within, t, outcome)
    return Case(
        claim=claim,
        outcome=outcome,
        within=within,
        now=now,
        effect=effect,
        margin=margin,
        reason=reason,
        exact=exact,
    )


def _formula(
    plan: Plan, claim: Claim, within: bool, t: planned.Truth, outcome: str
) -> Callable[[float, float, float], float] | None:
    """Exact power as a function of what is detectable and of the animals in two arms, where there is one."""
    weights = sorted(plan.weights_of(claim).values())
    if not within and weights != [-1.0, 1.0]:
        return None
    alpha = plan.alpha
    if claim.kind in ("gate", *DIFFERENCE_KINDS):
        if within:
            return lambda x, n, _: formula.within(x, n, alpha)
        return lambda x, n1, n2: formula.superiority(x, n1, n2, alpha)
    if claim.kind in planned.NO_BENEFIT and plan.margin_of(claim).kind == "raw" and not within:
        effect = planned.effect_of_claim(plan, claim, t, outcome, within)
        compute = (
            formula.non_superiority if claim.kind == "non_superiority" else formula.equivalence
        )
        return lambda x, n1, n2: compute(x, effect, n1, n2, alpha)
    return None


def _what(claim: Claim) -> str:
    return (
        MARGIN
        if claim.kind in planned.NO_BENEFIT
        else DEFICIT
        if claim.kind == "rescue"
        else DIFFERENCE
    )


def adjustment(plan: Plan, claim: Claim) -> str:
    """What the graph does to a claim, in words; '' where it stands by itself."""
    parts = [f"after {', '.join(claim.after)}"] if claim.after else []
    gates = [
        g.id
        for g in plan.gates
        if set(g.outcomes) & set(claim.outcomes) and g.id not in claim.after
    ]
    if plan.needs_deficit(claim) and gates:
        parts.append(f"needs {', '.join(gates)}")
    family = [c for c in plan.claims if c.family == claim.family]
    size = sum(len(c.outcomes) for c in family)
    if claim.correction != "none" and size > 1:
        claims = f" of {len(family)} claims" if len(family) > 1 else ""
        parts.append(f"{CORRECTIONS[claim.correction]} over {size} outcomes{claims}")
    return ", ".join(parts)


def _point(plan: Plan, case: Case, n: int, power: Power, settings: Planning) -> dict[str, object]:
    key = (case.claim.id, case.outcome)
    target = case.margin if _what(case.claim) == MARGIN else case.effect
    alone = case.exact(target, n, n) if case.exact else power.alone[key]
    adjusted = power.in_graph[key] if adjustment(plan, case.claim) else alone
    method = "formula" if case.exact else "simulation"
    return {
        "claim_id": key[0],
        "outcome": key[1],
        "n": n,
        "power": alone,
        "power_adjusted": adjusted,
        "method": method,
    }


def _row(
    plan: Plan,
    settings: Planning,
    t: planned.Truth,
    case: Case,
    now: Power,
    by_n: Mapping[int, Power],
    by_factor: Sequence[Power],
    dictionary: pd.DataFrame,
) -> dict[str, object]:
    claim, outcome, spread = case.claim, case.outcome, t.spread[case.outcome]
    key, d = (claim.id, outcome), t.d[outcome]
    row: dict[str, Any] = {
        "claim_id": claim.id,
        "outcome": outcome,
        "kind": claim.kind,
        "contrast": claim.contrast or f"rescue {claim.arm}",
        "n_now": ", ".join(f"{a} {k}" for a, k in case.now.items()),
        "wanted_power": settings.power,
        "planned_effect_sd": case.effect,
        "margin_sd": case.margin,
        "sd": spread.natural,
        "sd_lower": spread.lower,
        "sd_upper": spread.upper,
        "sd_per_arm": spread.per_arm,
        "sd_source": spread.source,
        "basis": basis(plan, settings, t, case),
        "adjusted_by": adjustment(plan, claim),
        "reason": case.reason,
        "unit": str(dictionary["unit"].get(outcome, "")),
        "detectable": _what(claim),
    }
    if case.reason:
        return row
    target = case.margin if _what(claim) == MARGIN else case.effect
    size = {MARGIN: case.margin, DIFFERENCE: abs(case.effect), DEFICIT: d}[_what(claim)]
    n1, n2 = [*case.now.values(), *case.now.values()][:2]
    notes = []
    some = min(case.now.values()) >= MIN_UNITS
    if not some:
        notes.append(f"fewer than {MIN_UNITS} animals in an arm: no power now")
    row["method"] = "formula" if case.exact else "simulation"
    row["simulation_error"] = float(
        np.sqrt(settings.power * (1 - settings.power) / settings.simulations)
    )
    sizes = size * _FACTORS
    if case.exact:
        exact = case.exact
        alone = exact(target, n1, n2) if some else np.nan
        found = formula.detectable(lambda x: exact(x, n1, n2), settings.power) if some else np.nan
        needed = formula.needed(lambda n: exact(target, n, n), settings.power, settings.n_limit)
        row["n_needed"] = max(needed, float(MIN_UNITS)) if np.isfinite(needed) else needed
    else:
        alone = now.alone[key] if some else np.nan
        found = (
            _crossing(sizes, [p.alone[key] for p in by_factor], settings.power)
            if some and size > 0
            else np.nan
        )
        row["n_needed"] = _animals(
            [p.alone[key] for p in by_n.values()], list(by_n), settings.power
        )
    row |= {
        "power": alone,
        "power_adjusted": alone,
        "n_needed_adjusted": row["n_needed"],
        "detectable_sd_adjusted": found,
    }
    if row["adjusted_by"]:
        row["power_adjusted"] = now.in_graph[key] if some else np.nan
        row["n_needed_adjusted"] = _animals(
            [p.in_graph[key] for p in by_n.values()], list(by_n), settings.power
        )
        row["detectable_sd_adjusted"] = (
            _crossing(sizes, [p.in_graph[key] for p in by_factor], settings.power)
            if some and size > 0
            else np.nan
        )
    row |= {"detectable_sd": found, "detectable_natural": found * spread.natural}
    row["detectable_share"] = found / d if plan.deficit() and not case.within else np.nan
    if np.isfinite(spread.own) and str(dictionary["scale"].get(outcome, "")) in ("log", "count"):
        row["detectable_percent"] = 100 * np.expm1(found * spread.own)
    notes.append(_not_reached(row["n_needed_adjusted"], by_n))
    row["reason"] = "; ".join(filter(None, notes))
    return row


def _combined(
    settings: Planning, claim: Claim, now: Power, by_n: Mapping[int, Power]
) -> dict[str, object]:
    key = (claim.id, "")
    needed = _animals([p.alone[key] for p in by_n.values()], list(by_n), settings.power)
    return {
        "claim_id": claim.id,
        "outcome": COMBINED,
        "kind": claim.kind,
        "contrast": claim.contrast,
        "wanted_power": settings.power,
        "power": now.alone[key],
        "power_adjusted": now.in_graph[key],
        "n_needed": needed,
        "method": "simulation",
        "n_needed_adjusted": _animals(
            [p.in_graph[key] for p in by_n.values()], list(by_n), settings.power
        ),
        "simulation_error": float(
            np.sqrt(settings.power * (1 - settings.power) / settings.simulations)
        ),
        "adjusted_by": "every outcome must be supported",
        "reason": _not_reached(needed, by_n),
    }


def _not_reached(needed: float, by_n: Mapping[int, Power]) -> str:
    return (
        ""
        if np.isfinite(needed)
        else f"the wanted power is not reached with {max(by_n)} animals per arm"
    )


def _crossing(x: np.ndarray, power: Sequence[float], wanted: float) -> float:
    """First x at which power reaches `wanted`, interpolated; NaN where it does not."""
    p = np.concatenate([[0.0], np.maximum.accumulate(power)])
    x = np.concatenate([[0.0], x])
    above = np.flatnonzero(p >= wanted)
    if not above.size:
        return float("nan")
    k = int(above[0])
    return float(x[k - 1] + (wanted - p[k - 1]) / (p[k] - p[k - 1]) * (x[k] - x[k - 1]))


def _animals(power: Sequence[float], ns: Sequence[int], wanted: float) -> float:
    """Fewest animals per arm with the wanted power, interpolated beyond the curve and rounded up; NaN where not reached."""
    if power[0] >= wanted:
        return float(ns[0])
    p = np.maximum.accumulate(power)
    above = np.flatnonzero(p >= wanted)
    if not above.size:
        return float("nan")
    k = int(above[0])
    return float(np.ceil(ns[k - 1] + (wanted - p[k - 1]) / (p[k] - p[k - 1]) * (ns[k] - ns[k - 1])))


def basis(plan: Plan, settings: Planning, t: planned.Truth, case: Case) -> str:
    """Where the effect comes from, in words."""
    end = "declared for planning, not the effect observed in this study"
    if case.within:
        zero = case.claim.kind in planned.NO_BENEFIT
        return (
            f"effect 0, {end}"
            if zero
            else f"effect {t.d[case.outcome]:.3g} SD of differences within units, {end}"
        )
    arms = ", ".join(f"{a} {t.R[a]:g}" for a in plan.weights_of(case.claim))
    planned_for = settings.effect_of.get(case.outcome)
    told = (
        f" ({planned_for:g} in the natural unit)"
        if planned_for is not None and t.spread[case.outcome].natural > 0
        else ""
    )
    return f"deficit {t.d[case.outcome]:.3g} SD{told}, share of it made up: {arms}; {end}"
