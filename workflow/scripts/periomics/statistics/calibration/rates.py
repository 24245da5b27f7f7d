"""How often the verdict engine is right on the study's own design and claims, measured on simulated animal tables.

The very functions that judge a study (`adjust`, `arm_forms`, `decide`, `fieller`) run on thousands of drawn studies at once. Which
verdict is false in which truth is `false_verdicts`; docs/calibration.md states it in words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.seeds import generator
from periomics.statistics.calibration import scenarios as sc
from periomics.statistics.calibration.bounds import BIAS, TINY, bounds, false_verdicts
from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.animals import MIN_UNITS
from periomics.statistics.claims.graph import Decision, Forms, arm_forms, decide, fixed_margin_forms
from periomics.statistics.claims.plan import Claim, Plan
from periomics.statistics.kernels import position
from periomics.statistics.kernels.adjusted import Adjusted, adjust
from periomics.statistics.kernels.contrasts import (
    Arms,
    Estimate,
    Floats,
    interval,
    one_sample,
    summarise,
)
from periomics.statistics.kernels.permutation import p_unknown_direction
from periomics.statistics.kernels.rescue import fieller
from periomics.study.claims import COMPOSITE
from periomics.study.dictionary import entry
from periomics.study.settings.calibration import Calibration

COLUMNS = (
    "scenario",
    "n_per_arm",
    "quantity",
    "claim_id",
    "outcome",
    "truth",
    "count",
    "studies",
    "share",
    "lower",
    "upper",
    "bound_low",
    "bound_high",
    "within",
    "text",
)
PERMUTATIONS = 999
# Studies drawn at a time; part of what the seed means.
CHUNK = 2500


@dataclass(frozen=True)
class Case:
    """What is judged in a calibration: claims that can be drawn, their outcomes, and the members of the healing index."""

    plan: Plan
    outcomes: tuple[str, ...]
    drawn: tuple[str, ...]
    members: tuple[str, ...]
    domain: tuple[int, ...]
    within: frozenset[str]


def case(plan: Plan, sheet: pd.DataFrame, dictionary: pd.DataFrame) -> Case:
    """Claims of a study that animal tables can judge; the others (associations, yes or no, trends) are left out."""
    own = sheet[sheet["unit"].eq("animal")]
    arms, within, kept = set(own["group"]), [], []
    for claim in plan.claims:
        contrast = plan.contrasts.get(claim.contrast)
        plain = tuple(
            o for o in claim.outcomes if entry(dictionary, o)["kind"] not in ("binary", "ordinal")
        )
        if plan.disease not in arms:  # the index needs the diseased arm's mean
            plain = tuple(o for o in plain if o != COMPOSITE)
        if claim.kind == "association" or not plain or (contrast and contrast.trend):
            continue
        if set(plan.weights_of(claim)) <= arms:
            kept.append(replace(claim, outcomes=plain))
        elif contrast and sheet["unit"].isin(["isolation", "donor"]).sum() >= MIN_UNITS:
            kept.append(replace(claim, outcomes=plain))
            within.append(claim.id)
    names = {c.id for c in kept}
    kept = [replace(c, after=tuple(a for a in c.after if a in names)) for c in kept]
    outcomes = tuple(dict.fromkeys(o for c in kept if c.id not in within for o in c.outcomes))
    members = (
        tuple(o for o in plan.composite if entry(dictionary, o)["kind"] != "binary")
        if COMPOSITE in outcomes
        else ()
    )
    drawn = tuple(dict.fromkeys([*(o for o in outcomes if o != COMPOSITE), *members]))
    domains = [
        next((d for d, o in plan.domains.items() if o == m), str(entry(dictionary, m)["domain"]))
        for m in members
    ]
    place = tuple(list(dict.fromkeys(domains)).index(d) for d in domains)
    return Case(
        replace(plan, claims=tuple(kept)), outcomes, drawn, members, place, frozenset(within)
    )


class _Counts:
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


def calibrate(
    scenario: sc.Scenario,
    plan: Plan,
    sheet: pd.DataFrame,
    dictionary: pd.DataFrame,
    settings: Calibration,
    seed: int,
    *,
    cv_of: Mapping[str, float] | None = None,
    chunk: int = CHUNK,
    progress: Callable[[int], None] = lambda done: None,
) -> pd.DataFrame:
    """Judge many studies of one scenario.

    Parameters
    ----------
    scenario
        The truth.
    plan, sheet, dictionary
        The study's own claims, animals and outcome dictionary.
    settings
        How many studies, and how animals vary.
    seed
        The config's seed.
    cv_of
        Outcome → SD over mean between animals, as planned.
    chunk
        Studies that are drawn at a time.
    progress
        Told the number of finished studies after every chunk.

    Returns
    -------
    DataFrame
        Columns `COLUMNS` without limits and judgement (`judged` adds them): for each claim and outcome the verdicts, false ones,
        coverage of the unadjusted 95 % interval (over all, and where the gate passed), for each treated arm that of Fieller's set.
    """
    what = case(plan, sheet, dictionary)
    rng = generator(seed, "calibrate_scenario", scenario.name)
    place = sc.layout(plan, sheet, what.outcomes, scenario.n, rng)
    if not what.plan.claims or not place.arms:
        return pd.DataFrame(columns=list(COLUMNS))
    known = (
        sc.truth(
            scenario,
            plan,
            place.arms,
            outcomes=what.drawn,
            dictionary=dictionary,
            d=settings.d,
            cv=cv_of or {},
            rng=rng,
        )
        if what.drawn
        else None
    )
    units = scenario.n or int(sheet["unit"].isin(["isolation", "donor"]).sum())
    counts = _Counts()
    facts = _facts(what, place, known, plan, scenario, settings)
    for start in range(0, settings.studies, chunk):
        rng = generator(seed, "calibrate_scenario", f"{scenario.name}/{start}")
        size = min(chunk, settings.studies - start)
        _chunk(
            scenario,
            what,
            place,
            known=known,
            settings=settings,
            units=units,
            studies=size,
            rng=rng,
            facts=facts,
            counts=counts,
        )
        progress(start + size)
    n = (
        str(scenario.n)
        if scenario.n
        else ", ".join(f"{a} {k}" for a, k in zip(place.arms, np.bincount(place.arm), strict=True))
    )
    return _table(scenario, n, counts, facts, plan, what)


@dataclass(frozen=True)
class Fact:
    """Truth of a claim and outcome: its effect and which verdicts are false."""

    effect: float
    false: Mapping[str, tuple[str, ...]]


def _facts(
    what: Case,
    place: sc.Layout,
    known: sc.Truth | None,
    plan: Plan,
    scenario: sc.Scenario,
    settings: Calibration,
) -> dict[tuple[str, str], Fact]:
    out = {}
    for claim in what.plan.claims:
        for outcome in claim.outcomes:
            if claim.id in what.within:
                effect = settings.within_d if _helps(scenario, plan) else 0.0
                margin = plan.margin_of(claim)
                m = margin.value if margin.kind == "sd" else np.nan
                out[claim.id, outcome] = Fact(
                    effect, false_verdicts(claim.kind, effect, effect - m, effect + m)
                )
            else:
                assert known is not None  # of a claim on arms the outcomes are drawn
                out[claim.id, outcome] = _fact(claim, outcome, what, place, known, plan)
    return out


def _helps(scenario: sc.Scenario, plan: Plan) -> bool:
    return any(scenario.R.get(a, 0) > 0 for a in plan.treated)


def _fact(
    claim: Claim, outcome: str, what: Case, place: sc.Layout, known: sc.Truth, plan: Plan
) -> Fact:
    """The claim's own forms on arms that are known exactly."""
    sign, code = _sign_and_code(outcome, what, known)
    n = np.full(len(place.arms), 1e9)
    if outcome == COMPOSITE:
        members = [what.drawn.index(m) for m in what.members]
        own = replace(
            known,
            location=known.location[:, members],
            spread=known.spread[:, members],
            sign=known.sign[members],
        )
        mean = sc.index_truth(own, place, what.domain, plan)
        analysis = natural = Arms(mean, np.ones_like(mean), n)
    else:
        i = what.drawn.index(outcome)
        analysis = Arms(known.analysis[:, i], known.spread[:, i] ** 2, n)
        natural = Arms(known.natural[:, i], np.ones_like(n), n)
    effect, above, below = (
        float(f.estimate)
        for f in arm_forms(
            plan, claim, list(place.arms), analysis=analysis, natural=natural, sign=sign, code=code
        )
    )
    return Fact(effect, false_verdicts(claim.kind, effect, above, below))


def _sign_and_code(outcome: str, what: Case, known: sc.Truth) -> tuple[float, int]:
    if outcome == COMPOSITE:
        return 1.0, position.IDENTITY
    i = what.drawn.index(outcome)
    return float(known.sign[i]), sc.CODES[known.links[i]]


def _fit(values: Floats, place: sc.Layout, plan: Plan) -> Arms | Adjusted:
    blocks = place.block if plan.adjustment.blocks and place.block.any() else None
    if blocks is None and not place.covariates.size:
        return summarise(values, place.arm, len(place.arms))
    return adjust(values, place.arm, len(place.arms), blocks, place.covariates)


def _chunk(
    scenario: sc.Scenario,
    what: Case,
    place: sc.Layout,
    known: sc.Truth | None,
    settings: Calibration,
    units: int,
    studies: int,
    rng: np.random.Generator,
    facts: Mapping[tuple[str, str], Fact],
    counts: _Counts,
) -> None:
    forms: dict[str, Forms] = {}
    index: dict[str, Floats] = {}
    plan = what.plan
    if known is not None:
        drawn = sc.draw(
            scenario,
            known,
            place,
            studies=studies,
            correlation=settings.correlation,
            block_share=settings.block_share,
            rng=rng,
        )
        if not scenario.directions:
            return _count_permutations(plan, what, place, drawn, rng, counts)
        analysis, natural = _with_index(drawn, known, what, place, plan)
        order = [*what.drawn, COMPOSITE]
        both = _fit(analysis, place, plan), _fit(natural, place, plan)
        for claim in (c for c in plan.claims if c.id not in what.within):
            places = [order.index(o) for o in claim.outcomes]
            sign, code = (
                np.array(x)
                for x in zip(*(_sign_and_code(o, what, known) for o in claim.outcomes), strict=True)
            )
            own, raw = (f.some((slice(None), places)) for f in both)
            found = arm_forms(plan, claim, list(place.arms), own, raw, sign=sign, code=code)
            weights = plan.weights_of(claim)
            used = [i for i, a in enumerate(place.arms) if weights.get(a)]
            few = np.any(own.n[..., used] < MIN_UNITS, axis=-1)
            forms[claim.id] = Forms(*(_without(f, few) for f in found))
        index = _index_effects(what, place, known, drawn, plan)
    for claim in (c for c in plan.claims if c.id in what.within):
        forms[claim.id] = _within_forms(claim, plan, facts, units, studies, rng)
    decisions = decide(plan, forms)
    _count_claims(plan, what, forms, decisions=decisions, facts=facts, index=index, counts=counts)
    if known is not None and plan.deficit() and set(plan.deficit()) <= set(place.arms):
        _count_fieller(
            plan, what, place, known=known, analysis=both[0], decisions=decisions, counts=counts
        )


def _count_permutations(
    plan: Plan,
    what: Case,
    place: sc.Layout,
    drawn: sc.Drawn,
    rng: np.random.Generator,
    counts: _Counts,
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


def _with_index(
    drawn: sc.Drawn, known: sc.Truth, what: Case, place: sc.Layout, plan: Plan
) -> tuple[Floats, Floats]:
    """Drawn values with the healing index as the last outcome, all missing where no claim names it."""
    index = np.full((len(drawn.analysis), 1, place.arm.size), np.nan)
    if what.members:
        members = [what.drawn.index(m) for m in what.members]
        own = replace(known, sign=known.sign[members])
        index = sc.index_of(drawn.analysis[:, members], own, place, what.domain, plan)[:, None]
    return np.concatenate([drawn.analysis, index], axis=1), np.concatenate(
        [drawn.natural, index], axis=1
    )


def _index_effects(
    what: Case, place: sc.Layout, known: sc.Truth, drawn: sc.Drawn, plan: Plan
) -> dict[str, Floats]:
    """True effect on the healing index of each claim that names it, in the SD of each drawn study: claim → shape (studies,)."""
    named = [c for c in plan.claims if COMPOSITE in c.outcomes and c.id not in what.within]
    if not named:
        return {}
    members = [what.drawn.index(m) for m in what.members]
    own = replace(known, location=known.location[:, members], sign=known.sign[members])
    mean = sc.index_means(drawn.analysis[:, members], own, place, what.domain, plan)
    arms = Arms(mean, np.ones_like(mean), np.ones_like(mean))
    code = position.IDENTITY
    return {
        c.id: arm_forms(
            plan, c, list(place.arms), analysis=arms, natural=arms, sign=1.0, code=code
        ).effect.estimate
        for c in named
    }


def _without(form: Estimate, few: np.ndarray) -> Estimate:
    """A form without inference where an arm has too few animals."""
    if np.ndim(form.se) == 0:
        return form
    return Estimate(form.estimate, np.where(few, np.nan, form.se), np.where(few, np.nan, form.df))


def _within_forms(
    claim: Claim,
    plan: Plan,
    facts: Mapping[tuple[str, str], Fact],
    units: int,
    studies: int,
    rng: np.random.Generator,
) -> Forms:
    """Forms of differences within isolations, drawn in SD of the differences."""
    effect = np.array([facts[claim.id, o].effect for o in claim.outcomes])
    y = rng.standard_normal((studies, effect.size, units)) + effect[:, None]
    form = one_sample(y)
    margin = plan.margin_of(claim)
    size = margin.value * y.std(axis=-1, ddof=1) if margin.kind == "sd" else np.nan
    return fixed_margin_forms(form, form, size)


def _count_claims(
    plan: Plan,
    what: Case,
    forms: Mapping[str, Forms],
    decisions: Mapping[str, Decision],
    facts: Mapping[tuple[str, str], Fact],
    index: Mapping[str, Floats],
    counts: _Counts,
) -> None:
    wrong: list[np.ndarray] = []
    for claim in plan.claims:
        decision, any_false = decisions[claim.id], None
        bounds = interval(forms[claim.id].effect, 0.95)
        for i, outcome in enumerate(claim.outcomes):
            fact, verdict = facts[claim.id, outcome], decision.verdict[..., i]
            for word in v.VERDICTS:
                counts.add(f"verdict: {word}", claim.id, outcome, verdict == word)
            for direction, words in fact.false.items():
                false = np.isin(verdict, words)
                counts.add(direction, claim.id, outcome, false)
                if direction == "false_supported":
                    any_false = false if any_false is None else any_false | false
            judged = ~np.isnan(bounds[0][..., i])
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
        if any_false is not None:
            counts.add("false_family", claim.id, "", any_false)
            if claim.kind != "gate":
                wrong.append(any_false)
        if decision.overall is not None:
            _count_overall(claim, decision.overall, facts, counts)
    if wrong:
        counts.add("false_graph", "", "", np.any(wrong, axis=0))


def _count_overall(
    claim: Claim,
    overall: NDArray[np.str_],
    facts: Mapping[tuple[str, str], Fact],
    counts: _Counts,
) -> None:
    """A verdict over all outcomes is falsely supported if it is supported although one outcome's own would be false."""
    whole = f"all of {', '.join(claim.outcomes)}"
    for word in v.VERDICTS:
        counts.add(f"verdict: {word}", claim.id, whole, overall == word)
    if any("false_supported" in facts[claim.id, o].false for o in claim.outcomes):
        counts.add(
            "false_supported",
            claim.id,
            whole,
            np.isin(overall, (v.SUPPORTED, v.BELOW_MARGIN)),
        )


def _gate_passed(
    plan: Plan, claim: Claim, outcome: str, decisions: Mapping[str, Decision]
) -> np.ndarray | None:
    if not plan.needs_deficit(claim):
        return None
    for gate in plan.gates:
        if outcome in gate.outcomes:
            return v.passed(decisions[gate.id].verdict[..., gate.outcomes.index(outcome)])
    return None


def _count_fieller(
    plan: Plan,
    what: Case,
    place: sc.Layout,
    known: sc.Truth,
    analysis: Arms | Adjusted,
    decisions: Mapping[str, Decision],
    counts: _Counts,
) -> None:
    healthy, disease = place.arms.index(plan.healthy), place.arms.index(plan.disease)
    gate = plan.gates[0] if plan.gates else None
    for outcome in (o for o in what.outcomes if o != COMPOSITE):
        i = what.drawn.index(outcome)
        means = known.natural[:, i]
        if abs(means[healthy] - means[disease]) < TINY:
            continue  # no deficit, no share of it
        for arm in (a for a in plan.treated if a in place.arms):
            j = place.arms.index(arm)
            fit = analysis.some((slice(None), [i]))
            found = fieller(fit, healthy, disease, j, 0.95, sc.CODES[known.links[i]])
            lower, upper, bounded = (
                np.asarray(x)[..., 0] for x in (found.lower, found.upper, found.bounded)
            )
            seen = ~np.isnan(found.R[..., 0]) & (fit.n[:, 0] >= MIN_UNITS).all(axis=-1)
            counts.add("fieller unbounded", arm, outcome, ~bounded, seen)
            R = (means[j] - means[disease]) / (means[healthy] - means[disease])
            inside = np.where(
                bounded, (lower <= R) & (upper >= R), np.isnan(lower) | (lower >= R) | (upper <= R)
            )
            counts.add("fieller coverage", arm, outcome, inside, seen)
            if gate is not None and outcome in gate.outcomes:
                passed = v.passed(decisions[gate.id].verdict[..., gate.outcomes.index(outcome)])
                counts.add(
                    "fieller coverage where the gate passed", arm, outcome, inside, seen & passed
                )


def _table(
    scenario: sc.Scenario,
    n: str,
    counts: _Counts,
    facts: Mapping[tuple[str, str], Fact],
    plan: Plan,
    what: Case,
) -> pd.DataFrame:
    corrected = {c.id for c in what.plan.claims if c.correction == "holm"}
    rows = []
    for (quantity, claim, outcome), hits in counts.hits.items():
        trials = counts.trials[quantity, claim, outcome]
        low, high = (
            bounds(quantity, claim in corrected, plan.alpha)
            if scenario.bounded
            else (np.nan, np.nan)
        )
        fact = facts.get((claim, outcome))
        rows.append(
            {
                "scenario": scenario.name,
                "n_per_arm": n,
                "quantity": quantity,
                "claim_id": claim,
                "outcome": outcome,
                "truth": fact.effect if fact else np.nan,
                "count": hits,
                "studies": trials,
                "share": hits / trials if trials else np.nan,
                "bound_low": low,
                "bound_high": high,
                "text": scenario.text,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
