"""How often the verdict engine is right on the study's own design and claims, measured on simulated animal tables.

The very functions that judge a study (`adjust`, `arm_forms`, `decide`, `fieller`) run on thousands of drawn studies at once. Which
verdict is false in which truth is `bounds.false_verdicts`; docs/calibration.md states it in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from periomics.core.seeds import generator
from periomics.statistics.calibration import discrete_rates
from periomics.statistics.calibration import scenarios as sc
from periomics.statistics.calibration.bounds import bounds
from periomics.statistics.calibration.counts import (
    Counts,
    count_claims,
    count_fieller,
    count_permutations,
)
from periomics.statistics.calibration.truths import (
    Case,
    Fact,
    case,
    codes_drawn,
    facts_of,
    index_effects,
    sign_and_code,
)
from periomics.statistics.claims.animals import MIN_UNITS
from periomics.statistics.claims.families import load, shared_arm
from periomics.statistics.claims.graph import (
    Forms,
    arm_forms,
    decide,
    fixed_margin_forms,
    sd_margin_forms,
)
from periomics.statistics.claims.plan import Claim, Plan
from periomics.statistics.kernels.adjusted import adjust
from periomics.statistics.kernels.contrasts import (
    AnyArms,
    Bounded,
    Estimate,
    Floats,
    one_sample,
    signs,
    summarise,
    without_events,
)
from periomics.statistics.kernels.means import of_means
from periomics.study.claims import COMPOSITE
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
# Studies drawn at a time; part of what the seed means.
CHUNK = 2500


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
    what = case(plan, sheet, dictionary, index=not scenario.exact)
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
    counts = Counts()
    if scenario.kind:
        return _discrete(scenario, what, place, known, settings=settings, seed=seed)
    facts = facts_of(what, place, known, plan, scenario, settings)
    for start in range(0, settings.studies, chunk):
        rng = generator(seed, "calibrate_scenario", f"{scenario.name}/{start}")
        size = min(chunk, settings.studies - start)
        _chunk(
            scenario,
            what,
            place,
            known=known,
            settings=settings,
            studies=size,
            rng=rng,
            facts=facts,
            counts=counts,
        )
        progress(start + size)
    return _table(scenario, _numbers(scenario, place), counts, facts, plan, what)


def _numbers(scenario: sc.Scenario, place: sc.Layout) -> str:
    """Animals an arm, in words."""
    if scenario.n:
        return str(scenario.n)
    return ", ".join(f"{a} {k}" for a, k in zip(place.arms, np.bincount(place.arm), strict=True))


def _discrete(
    scenario: sc.Scenario,
    what: Case,
    place: sc.Layout,
    known: sc.Truth | None,
    *,
    settings: Calibration,
    seed: int,
) -> pd.DataFrame:
    """The table of a scenario of yes or no, or of grades."""
    counts = Counts()
    between = replace(
        what.plan, claims=tuple(c for c in what.plan.claims if c.id not in what.within)
    )
    if known is not None and between.claims:
        drawn = sc.draw(
            scenario,
            known,
            place,
            studies=max(settings.studies // discrete_rates.FEWER, 1),
            correlation=settings.correlation,
            block_share=settings.block_share,
            rng=generator(seed, "calibrate_scenario", f"{scenario.name}/0"),
        )
        discrete_rates.count_exact(
            between, what.drawn, place, known, drawn.analysis, kind=scenario.kind, add=counts.add
        )
    return _table(scenario, _numbers(scenario, place), counts, {}, what.plan, what)


def _fit(values: Floats, place: sc.Layout, plan: Plan) -> AnyArms:
    blocks = place.block if plan.adjustment.blocks and place.block.any() else None
    if blocks is None and not place.covariates.size:
        return summarise(values, place.arm, len(place.arms))
    return adjust(values, place.arm, len(place.arms), blocks, place.covariates)


def _bounded(
    analysis: Floats,
    natural: Floats,
    means: np.ndarray,
    place: sc.Layout,
    plan: Plan,
    *,
    most: Floats,
    blocks: bool,
) -> AnyArms:
    """Arms on the scale of each study and outcome; where arithmetic means are compared, with what
    blocks (if they count) and skewness add, and bounded where an arm shows no event. `most` is the
    largest value of each outcome."""
    fit = _fit(analysis, place, plan)
    if not means.any():
        return fit
    block = place.block if blocks and place.block.any() else None
    fit = of_means(fit, natural, place.arm, (np.zeros_like(most), most), block).where(means)
    bound = without_events(natural, place.arm, len(place.arms), (0.0, np.inf))
    up, down = (np.where(means[..., None], b, 0.0) for b in bound)
    return Bounded(fit, up, down)


def _told(claim: Claim, what: Case, known: sc.Truth, drawn: sc.Drawn) -> dict[str, np.ndarray]:
    """Studies whose interval stands on the scale of the truth, for outcomes of which some do not."""
    out = {}
    for outcome in claim.outcomes:
        if outcome == COMPOSITE:
            continue
        i = what.drawn.index(outcome)
        if known.codes[i] != sc.CODES[known.links[i]]:
            out[outcome] = drawn.means[:, i]
    return out


def _chunk(
    scenario: sc.Scenario,
    what: Case,
    place: sc.Layout,
    known: sc.Truth | None,
    settings: Calibration,
    studies: int,
    rng: np.random.Generator,
    facts: Mapping[tuple[str, str], Fact],
    counts: Counts,
) -> None:
    forms: dict[str, Forms] = {}
    loads: dict[str, Floats] = {}
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
            return count_permutations(plan, what, place, drawn, rng, counts)
        analysis, natural = _with_index(drawn, known, what, place, plan)
        order = [*what.drawn, COMPOSITE]
        means = np.concatenate([drawn.means, np.zeros((studies, 1), bool)], axis=1)
        # As in a study: arithmetic means are not adjusted for blocks, which are counted in their
        # standard error.
        apart = replace(plan, adjustment=replace(plan.adjustment, blocks=False))
        own_plan = apart if scenario.by_means else plan
        fit = _bounded(
            analysis,
            natural,
            means,
            place,
            own_plan,
            most=np.array([sc.MOST[link] for link in (*known.links, "identity")]),
            blocks=plan.adjustment.blocks,
        )
        both = fit, _fit(natural, place, own_plan)
        for claim in (c for c in plan.claims if c.id not in what.within):
            places = [order.index(o) for o in claim.outcomes]
            sign, code = (
                np.array(x)
                for x in zip(*(sign_and_code(o, what, known) for o in claim.outcomes), strict=True)
            )
            own, raw = (f.some((slice(None), places)) for f in both)
            code = codes_drawn(code, means[:, places], places, known)
            found = arm_forms(plan, claim, list(place.arms), own, raw, sign=sign, code=code)
            weights = plan.weights_of(claim)
            if claim.correction == "dunnett":
                shared = shared_arm(
                    [plan.weights_of(c) for c in plan.claims if c.family == claim.family]
                )
                loads[claim.id] = load(own, place.arms, weights, shared)
            used = [i for i, a in enumerate(place.arms) if weights.get(a)]
            few = np.any(own.n[..., used] < MIN_UNITS, axis=-1)
            unsure = few
            if plan.margin_of(claim).kind == "deficit":
                carry = [i for i, a in enumerate(place.arms) if plan.deficit().get(a)]
                unsure = few | np.any(own.n[..., carry] < MIN_UNITS, axis=-1)
            forms[claim.id] = Forms(
                _without(found.effect, few), *(_without(f, unsure) for f in found[1:])
            )
        index = index_effects(what, place, known, drawn, plan)
    for claim in (c for c in plan.claims if c.id in what.within):
        units = scenario.n or what.within[claim.id]
        forms[claim.id] = _within_forms(claim, plan, facts, units, studies, rng)
    decisions = decide(plan, forms, loads=loads, ends=signs)
    told = {
        c.id: _told(c, what, known, drawn) for c in plan.claims if known and c.id not in what.within
    }
    count_claims(
        plan, what, forms, decisions=decisions, facts=facts, index=index, told=told, counts=counts
    )
    if known is not None and plan.deficit() and set(plan.deficit()) <= set(place.arms):
        count_fieller(
            plan,
            what,
            place,
            known=known,
            analysis=both[0],
            means=means,
            decisions=decisions,
            counts=counts,
        )


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


def _without(form: Estimate, few: np.ndarray) -> Estimate:
    """A form without inference where an arm has too few animals."""
    if np.ndim(form.se) == 0:
        return form
    return form._replace(se=np.where(few, np.nan, form.se), df=np.where(few, np.nan, form.df))


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
    if margin.kind == "sd":
        return sd_margin_forms(form, y.std(axis=-1, ddof=1), margin.value)
    return fixed_margin_forms(form, form, np.nan)


def _table(
    scenario: sc.Scenario,
    n: str,
    counts: Counts,
    facts: Mapping[tuple[str, str], Fact],
    plan: Plan,
    what: Case,
) -> pd.DataFrame:
    # Benjamini and Hochberg's bounds the share of false verdicts, not how often there is one.
    corrected = {c.id for c in what.plan.claims if c.correction not in ("none", "bh")}
    rows = []
    for (quantity, claim, outcome), hits in counts.hits.items():
        trials = counts.trials[quantity, claim, outcome]
        low, high = (
            bounds(quantity, claim in corrected, plan.alpha, scenario.exact)
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
