"""What is asked in a calibration and what is true of it: claims that can be drawn, and the effect of each in a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from periomics.statistics.calibration import scenarios as sc
from periomics.statistics.calibration.bounds import false_verdicts
from periomics.statistics.claims.animals import MIN_UNITS
from periomics.statistics.claims.exact import KINDS
from periomics.statistics.claims.graph import arm_forms
from periomics.statistics.claims.plan import WITHIN_UNITS, Claim, Contrast, Plan
from periomics.statistics.kernels import position
from periomics.statistics.kernels.contrasts import Arms, Floats
from periomics.study.claims import COMPOSITE
from periomics.study.dictionary import entry
from periomics.study.settings.calibration import Calibration


@dataclass(frozen=True)
class Case:
    """What is judged in a calibration: claims that can be drawn, their outcomes, the members of the healing index, and for claims
    within units how many units there are."""

    plan: Plan
    outcomes: tuple[str, ...]
    drawn: tuple[str, ...]
    members: tuple[str, ...]
    domain: tuple[int, ...]
    within: Mapping[str, int]


def units_within(sheet: pd.DataFrame, contrast: Contrast) -> int:
    """Units that hold the arms of a contrast, of the kind that it names: donors of the stem cells do not count as isolations."""
    kinds = (contrast.unit,) if contrast.unit in WITHIN_UNITS else WITHIN_UNITS
    return int(sheet["unit"].isin(kinds).sum())


def case(plan: Plan, sheet: pd.DataFrame, dictionary: pd.DataFrame, index: bool = True) -> Case:
    """Claims of a study that animal tables can judge; the others (associations, yes or no, trends) are left out.

    `index` tells whether the healing index is drawn too: its truth is that of outcomes on their own scales.
    """
    own = sheet[sheet["unit"].eq("animal")]
    arms, kept = set(own["group"]), []
    within: dict[str, int] = {}
    for claim in plan.claims:
        contrast = plan.contrasts.get(claim.contrast)
        plain = tuple(o for o in claim.outcomes if entry(dictionary, o)["kind"] not in KINDS)
        if plan.disease not in arms or not index:  # the index needs the diseased arm's mean
            plain = tuple(o for o in plain if o != COMPOSITE)
        if claim.kind == "association" or not plain or (contrast and contrast.trend):
            continue
        if set(plan.weights_of(claim)) <= arms:
            kept.append(replace(claim, outcomes=plain))
        elif contrast and (units := units_within(sheet, contrast)) >= MIN_UNITS:
            kept.append(replace(claim, outcomes=plain))
            within[claim.id] = units
    names = {c.id for c in kept}
    kept = [replace(c, after=tuple(a for a in c.after if a in names)) for c in kept]
    outcomes = tuple(dict.fromkeys(o for c in kept if c.id not in within for o in c.outcomes))
    members = (
        tuple(o for o in plan.composite if entry(dictionary, o)["kind"] not in KINDS)
        if COMPOSITE in outcomes
        else ()
    )
    drawn = tuple(dict.fromkeys([*(o for o in outcomes if o != COMPOSITE), *members]))
    domains = [
        next((d for d, o in plan.domains.items() if o == m), str(entry(dictionary, m)["domain"]))
        for m in members
    ]
    place = tuple(list(dict.fromkeys(domains)).index(d) for d in domains)
    return Case(replace(plan, claims=tuple(kept)), outcomes, drawn, members, place, within)


@dataclass(frozen=True)
class Fact:
    """Truth of a claim and outcome: its effect and which verdicts are false."""

    effect: float
    false: Mapping[str, tuple[str, ...]]


def facts_of(
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
    sign, code = sign_and_code(outcome, what, known)
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


def sign_and_code(outcome: str, what: Case, known: sc.Truth) -> tuple[float, int]:
    if outcome == COMPOSITE:
        return 1.0, position.IDENTITY
    i = what.drawn.index(outcome)
    return float(known.sign[i]), known.codes[i]


def codes_drawn(
    code: np.ndarray, means: np.ndarray, places: list[int], known: sc.Truth
) -> np.ndarray:
    """Code of the scale of each study and outcome: identity where means are compared, else the outcome's own."""
    own = [
        sc.CODES[known.links[i]] if i < len(known.links) else int(code[k])
        for k, i in enumerate(places)
    ]
    return np.where(means, position.IDENTITY, np.array(own))


def index_effects(
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
