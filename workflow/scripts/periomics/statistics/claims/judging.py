"""One row per claim and outcome: the verdict, what it rests on, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from periomics.statistics.claims import animals as a
from periomics.statistics.claims import exact, families
from periomics.statistics.claims import verdicts as v
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.associated import association_rows
from periomics.statistics.claims.graph import (
    NOTHING,
    Decision,
    ExactOutcomes,
    Forms,
    arm_forms,
    decide,
    fixed_margin_forms,
    sd_margin_forms,
)
from periomics.statistics.claims.plan import Claim, Contrast, Margin, Plan
from periomics.statistics.claims.refusals import no_deficit_margin, no_worse, refusal
from periomics.statistics.claims.repeated import with_all
from periomics.statistics.kernels import position
from periomics.statistics.kernels.bayes import bf01, ceiling, effective_n
from periomics.statistics.kernels.contrasts import Estimate, p_above, p_below, stretched
from periomics.statistics.kernels.discrete import ExactForms
from periomics.statistics.kernels.permutation import attainable_floor
from periomics.statistics.kernels.rescue import describe, fieller
from periomics.study.claims import ALL_OF, DIFFERENCE, MOST_UNITS, NO_BENEFIT

COLUMNS = (
    "claim_id",
    "outcome",
    "contrast",
    "estimate",
    "lower",
    "upper",
    "p_adj",
    "verdict",
    "reason",
    "confounded_with",
    "n_animals",
    "table",
    "rule",
    "text",
    "kind",
    "scale",
    "unit",
    "level",
    "level_refuted",
    "level_improved",
    "p",
    "margin",
    "margin_lower",
    "margin_upper",
    "n_to_decide",
    "tost_p",
    "bf01",
    "bf01_ceiling",
    "family",
    "variant",
    "time",
    "time_unit",
    "domain",
)
NONE = Forms(NOTHING, NOTHING, NOTHING)
DECIDES, HEALED = "the margin", "what lies between the threshold and healthy"
# In `with_family_levels`: level of the end of an exact interval that decides "refuted".
LEVEL_OF_OTHER = "level_of_other"
TABLE, RULE = "statistics/contrasts.tsv", "estimate_contrasts"


def verdict_table(analysis: Analysis, associations: pd.DataFrame | None = None) -> pd.DataFrame:
    """Judge every claim in the declared order.

    Parameters
    ----------
    analysis
        Plan, animals and dictionary.
    associations
        linkage/associations.tsv, for association claims.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`. Estimates and bounds are benefit-signed, at the level that the graph gave. A claim that cannot be judged
        says why; a claim over all outcomes has one row, "all of …".
    """
    plan, dictionary = analysis.plan, analysis.dictionary
    animals = with_all(analysis)
    measured = set(animals["outcome"])
    judged = replace(
        plan, claims=tuple(_restrict(c, measured) for c in plan.claims if c.kind != "association")
    )
    asked = Analysis(judged, animals, dictionary)
    forms, discrete, facts = {}, {}, {}
    for claim in judged.claims:
        found = [claim_forms(asked, claim, o) for o in claim.outcomes]
        facts[claim.id] = [f for _, f in found]
        forms[claim.id] = _stack([NONE if isinstance(f, ExactForms) else f for f, _ in found])
        discrete[claim.id] = {i: f for i, (f, _) in enumerate(found) if isinstance(f, ExactForms)}
    loads = {name: np.array([f.get("load", 0.0) for f in found]) for name, found in facts.items()}
    decisions = decide(judged, forms, discrete, loads)
    rows: list[dict[str, object]] = []
    tested = {claim.id: claim for claim in judged.claims}
    for original in plan.claims:
        if original.kind == "association":
            rows += association_rows(analysis, original, associations)
            continue
        claim = tested[original.id]
        rows += _claim_rows(
            judged, claim, decisions, forms[claim.id], discrete[claim.id], facts=facts[claim.id]
        )
        for outcome in original.outcomes:
            if outcome not in claim.outcomes and not claim.combine:
                rows.append(_unmeasured(claim, outcome, dictionary))
        if not claim.outcomes and claim.combine:
            rows.append(_unmeasured(claim, ALL_OF + ", ".join(original.outcomes), dictionary))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def with_family_levels(contrasts: pd.DataFrame, verdicts: pd.DataFrame) -> pd.DataFrame:
    """Contrasts with the adjusted p-value, level and interval of the claim that tests them for a difference.

    Non-superiority and equivalence test something else than a difference; their adjusted figures stand with the verdicts only.
    """
    out = contrasts.assign(**{LEVEL_OF_OTHER: contrasts["level"]})
    tested = verdicts[verdicts["kind"].isin(["gate", *DIFFERENCE]) & verdicts["level"].notna()]
    named = ["contrast", "outcome", "variant", "time"]
    for claim in tested.drop_duplicates(named).to_dict("records"):
        key = (
            out["outcome"].eq(claim["outcome"])
            & out["variant"].eq(claim["variant"])
            & out["contrast"].eq(claim["contrast"])
            & (out["time"].eq(claim["time"]) | (out["time"].isna() & np.isnan(claim["time"])))
        )
        for row in out.index[key & out["kind"].eq("confirmatory") & out["p"].notna()]:
            ends = (claim["lower"], claim["upper"])
            lower, upper = ends if out.at[row, "sign"] > 0 else (-ends[1], -ends[0])
            if np.isfinite(float(out.at[row, "se"])):
                lower, upper = _at_level(out.loc[row], claim["level"])
            out.loc[row, ["p_adj", "level", "lower", "upper"]] = [
                claim["p_adj"],
                claim["level"],
                lower,
                upper,
            ]
            out.at[row, "family"] = claim["family"]
            out.at[row, LEVEL_OF_OTHER] = claim["level_refuted"]
    return out


def _at_level(row: pd.Series, level: float) -> tuple[float, float]:
    """The interval of a contrast at another level, both ends at it; what an arm without events adds stays."""
    estimate, se, df = (float(row[c]) for c in ("estimate", "se", "df"))
    before, after = (
        [
            se * float(stretched(stdtrit(df, 0.5 + x / 2), side * float(row["skew"])))
            for side in (-1, 1)
        ]
        for x in (row["level"], level)
    )
    lower = float(row["lower"]) + before[0] - after[0]
    upper = float(row["upper"]) - before[1] + after[1]
    return min(lower, estimate), max(upper, estimate)


def _restrict(claim: Claim, measured: set[str]) -> Claim:
    return replace(claim, outcomes=tuple(o for o in claim.outcomes if o in measured))


def _stack(forms: list[Forms]) -> Forms:
    if not forms:
        empty = Estimate(*(np.empty(0) for _ in Estimate._fields))
        return Forms(empty, empty, empty)
    return Forms(
        *(
            Estimate(*(np.array([float(x) for x in parts]) for parts in zip(*form, strict=True)))
            for form in zip(*forms, strict=True)
        )
    )


def _base(claim: Claim, outcome: str, domain: str) -> dict[str, object]:
    return {
        "claim_id": claim.id,
        "outcome": outcome,
        "contrast": claim.contrast or f"rescue {claim.arm}",
        "text": claim.text,
        "kind": claim.kind,
        "family": claim.family,
        "table": TABLE,
        "rule": RULE,
        "variant": claim.variant,
        "domain": domain,
        "confounded_with": "",
        "n_animals": 0,
        "reason": "",
    }


def _unmeasured(claim: Claim, outcome: str, dictionary: pd.DataFrame) -> dict[str, object]:
    domain = str(dictionary["domain"].get(outcome, ""))
    return _base(claim, outcome, domain) | {
        "verdict": v.NOT_JUDGED,
        "reason": "not measured in this study",
    }


def claim_forms(analysis: Analysis, claim: Claim, outcome: str) -> tuple[Forms | ExactForms, dict]:
    """Forms of one claim and outcome, and the facts for its row; animals with the healing index and summaries of times."""
    plan, animals, dictionary = analysis.plan, analysis.animals, analysis.dictionary
    rows = animals[(animals["outcome"] == outcome) & (animals["variant"] == claim.variant)]
    weights = plan.weights_of(claim)
    contrast = plan.contrasts.get(claim.contrast) or Contrast(claim.id, weights)
    sign = analysis.direction(outcome)
    side = np.nan if plan.gated(claim, outcome) else sign
    margin = plan.margin_of(claim)
    facts: dict[str, Any] = _base(
        claim, outcome, str(dictionary["domain"].get(outcome, "score"))
    ) | {"confounded_with": contrast.confounded_with}
    if rows.empty:
        return NONE, facts | {"reason": f"variant {claim.variant!r} not measured"}
    first = rows.iloc[0]
    facts |= {
        "scale": first["scale"],
        "unit": first["unit"],
        "margin": ""
        if claim.kind in ("gate", "rescue")
        else f"{margin.value:g} {_MARGIN_WORDS[margin.kind]}",
    }
    cut = _pick(a.cuts(rows, contrast, plan.role_arms, plan.adjustment), claim)
    if cut is None:
        reason = _text(_nobody(rows, contrast, claim), first["scale_note"])
        return NONE, facts | {"reason": reason}
    form, _, differences = a.estimate(cut, contrast, weights)
    n = len(differences) if cut.paired else sum(a.counts(cut, weights).values())
    facts |= {"time": cut.time, "time_unit": cut.time_unit, "n_animals": n}
    facts["paired"] = cut.paired
    if cut.paired or contrast.trend:
        facts["effective"] = float(n)
    else:
        facts["effective"] = float(effective_n(cut.raw().n, cut.weights(weights)))
    kind = str(dictionary["kind"].get(outcome, ""))
    if kind in exact.KINDS:
        said = (cut.note, first["scale_note"])
        return _exact_forms(
            plan, claim, contrast, cut, kind=kind, sign=sign, side=side, facts=facts, notes=said
        )
    refused = refusal(cut, form, weights, contrast.trend)
    whole = exact.all_or_none(cut, weights, refused)
    if whole and not np.isnan(sign) and not contrast.trend and claim.kind != "rescue":
        found, note = exact.claim_forms(plan, claim, cut, whole.signed(sign), side)
        why = (exact.ALL_OR_NONE, exact.methods_of(found, cut), cut.note, first["scale_note"])
        return found, facts | {"reason": _text(*why, note)} | ({"margin": ""} if note else {})
    reason = refused.text
    if np.isnan(sign):
        reason = reason or "no declared direction of benefit"
    if claim.kind == "rescue":
        reason = reason or no_worse(cut, plan.deficit(), side)
    if reason:
        return NONE, facts | {"reason": _text(reason, cut.note, first["scale_note"])}
    notes = [
        cut.note,
        cut.bounds_note,
        first["scale_note"],
        _floor_note(cut, weights, plan.alpha, ", the verdict rests on the t distribution"),
    ]
    if claim.kind == "rescue":
        notes.append(_rescue_note(plan, claim, cut, str(first["scale"])))
        facts["to_healthy"] = _to_healthy(plan, claim, cut, str(first["scale"]))
    if cut.paired or contrast.trend:
        forms = _within_forms(claim, cut, contrast, margin, sign)
    else:
        forms = _arm_forms(plan, claim, cut, sign, str(first["scale"]))
        if claim.correction == "dunnett":
            facts["load"] = float(_load(plan, claim, cut))
    if claim.kind not in ("gate", "rescue") and margin.kind == "deficit":
        none = no_deficit_margin(cut, {} if contrast.trend else plan.deficit(), side)
        if none:
            notes.append(none)
            facts["margin"] = ""
            forms = forms._replace(above=NOTHING, below=NOTHING)
    return forms, facts | {"reason": _text(*notes)}


def _nobody(rows: pd.DataFrame, contrast: Contrast, claim: Claim) -> str:
    """Why no time has animals in every arm of a claim."""
    units = rows[rows["unit_of_analysis"] == contrast.unit] if contrast.unit else rows
    at = units if np.isnan(claim.time) else units[np.isclose(units["time"], claim.time)]
    gone = a.without_rows(at, contrast.weights)
    when = "" if np.isnan(claim.time) else f" at time {claim.time:g}"
    if gone:
        return f"no measured animals in {', '.join(gone)}{when}"
    return "animals were measured repeatedly, and at no time in every arm"


def _exact_forms(
    plan: Plan,
    claim: Claim,
    contrast: Contrast,
    cut: a.Cut,
    kind: str,
    sign: float,
    side: float,
    facts: dict[str, Any],
    notes: Sequence[str],
) -> tuple[Forms | ExactForms, dict]:
    """As `_claim_forms`, of yes or no and of grades."""
    found, reason = exact.form(cut, plan.weights_of(claim), kind, str(facts["outcome"]))
    if contrast.trend:
        found, reason = None, "a trend over doses is not fitted to yes or no or to grades"
    if kind == "ordinal" and claim.kind == "rescue":
        found, reason = None, exact.NO_DISTANCE
    if np.isnan(sign):
        reason = reason or "no declared direction of benefit"
    if claim.kind == "rescue":
        reason = reason or no_worse(cut, plan.deficit(), side)
    if found is None or reason:
        return NONE, facts | {"reason": _text(reason, *notes)}
    forms, note = exact.claim_forms(plan, claim, cut, found.signed(sign), side)
    if note:
        facts["margin"] = ""
    elif kind == "ordinal" and facts["margin"]:
        facts["margin"] = f"{plan.margin_of(claim).value:g} {exact.RANK_UNIT}"
    if kind == "ordinal":
        note = _text(_floor_note(cut, plan.weights_of(claim), plan.alpha), note)
    said = exact.methods_of(forms, cut)
    return forms, facts | {"reason": _text(*notes, said, note)}


_MARGIN_WORDS = {"deficit": "of the deficit", "sd": "SD", "raw": "in the natural unit"}


def _pick(cut_list: list[a.Cut], claim: Claim) -> a.Cut | None:
    if not np.isnan(claim.time):
        cut_list = [cut for cut in cut_list if np.isclose(cut.time, claim.time)]
    return cut_list[-1] if cut_list else None


def _arm_forms(plan: Plan, claim: Claim, cut: a.Cut, sign: float, scale: str) -> Forms:
    """The graph's own forms on one outcome; an outcome whose margin arms have no animals has no margin."""
    both = cut.summary(), cut.summary(natural=True)
    found = arm_forms(plan, claim, list(cut.arms), *both, np.asarray(sign), position.CODES[scale])
    return Forms(*(Estimate(*map(_first, form)) for form in found))


def _load(plan: Plan, claim: Claim, cut: a.Cut) -> float:
    """`families.load` of one claim and outcome."""
    family = [plan.weights_of(c) for c in plan.claims if c.family == claim.family]
    shared = families.shared_arm(family)
    return _first(families.load(cut.summary(), cut.arms, plan.weights_of(claim), shared))


def _first(values: np.ndarray) -> Any:
    """The value of one outcome, NaN where there is none."""
    flat = np.asarray(values).reshape(-1)
    return flat[0] if flat.size else np.nan


def _within_forms(
    claim: Claim, cut: a.Cut, contrast: Contrast, margin: Margin, sign: float
) -> Forms:
    """Forms on differences within units or slopes over doses: margins in SD of these, or in the natural unit; no deficit there."""
    analysis, _, differences = a.estimate(cut, contrast, contrast.weights)
    effect = analysis.signed(sign)
    if margin.kind == "raw":
        natural, _, _ = a.estimate(cut, contrast, contrast.weights, natural=True)
        return fixed_margin_forms(effect, natural.signed(sign), margin.value)
    spread = np.nan
    if margin.kind == "sd" and len(differences) > 1:
        spread = float(np.std(differences, ddof=1))
    elif margin.kind == "sd" and not cut.paired:
        spread = _spread_of_doses(cut, contrast)
    return sd_margin_forms(effect, spread, margin.value)


def _spread_of_doses(cut: a.Cut, contrast: Contrast) -> float:
    """SD between animals of one dose."""
    arms, _, _ = a.dose_arms(cut, cut.weights(contrast.weights), cut.analysis)
    free = np.maximum(arms.n - 1, 0)
    return float(np.sqrt(np.nansum(arms.var * free) / free.sum()))


def _floor_note(cut: a.Cut, weights: dict[str, float], alpha: float, then: str = "") -> str:
    """Says so where a permutation test of this design could never reach alpha; `then` what follows."""
    if cut.paired:
        floor = 2 / 2.0 ** len(cut.units)
    else:
        pair = [cut.arms.index(x) for x in weights]
        if len(pair) != 2:
            return ""
        used = np.isin(cut.arm, pair)
        block = cut.block if all(cut.block[used]) else np.full(cut.block.shape, "")
        floor = attainable_floor(cut.arm[used] == pair[0], block[used])
    return (
        f"a permutation test cannot reach {alpha:g} here (floor {floor:.3g}){then}"
        if floor > alpha
        else ""
    )


def _rescue_note(plan: Plan, claim: Claim, cut: a.Cut, scale: str) -> str:
    names = (plan.healthy, plan.disease, claim.arm)
    if not set(names) <= set(cut.arms):
        return ""
    healthy, disease, arm = (cut.arms.index(x) for x in names)
    found = fieller(cut.summary(), healthy, disease, arm, 1 - plan.alpha, position.CODES[scale])
    bounded = bool(found.bounded)
    text = f"R = {float(found.R):.3g}, {describe(float(found.lower), float(found.upper), bounded)}"
    # The verdict's own set is at the level of its family.
    return f"{text} at {100 * (1 - plan.alpha):g} %" if bounded else text


def _text(*parts: str) -> str:
    return "; ".join(dict.fromkeys(p for p in parts if p))


def _claim_rows(
    plan: Plan,
    claim: Claim,
    decisions: dict[str, Decision],
    forms: Forms,
    exact_of: ExactOutcomes,
    facts: list[dict],
) -> list[dict[str, object]]:
    d = decisions[claim.id]
    rows = []
    for i, fact in enumerate(facts):
        verdict = str(d.verdict[i])
        reason = _text(_why(plan, claim, i, verdict, decisions), str(fact["reason"]))
        empty = verdict == v.NOT_JUDGED and np.isnan(d.lower[i])
        numbers = {k: float(getattr(d, k)[i]) for k in ("p", "p_adj", "lower", "upper")}
        estimate = exact_of[i].effect.estimate if i in exact_of else forms.effect.estimate[i]
        numbers |= {
            "estimate": float(estimate) if np.isfinite(d.lower[i]) else np.nan,
            "level": np.nan if empty else float(d.level[i]),
            "level_refuted": np.nan if empty or claim.kind == "gate" else float(d.level_refuted[i]),
            "level_improved": float(d.level_improved[i])
            if claim.kind == "non_superiority" and not empty
            else np.nan,
        }
        numbers |= {
            "margin_lower": float(d.lower_margin[i]),
            "margin_upper": float(d.upper_margin[i]),
        }
        numbers |= (
            {}
            if empty or i in exact_of
            else _absence(claim, forms, i, fact.get("effective", np.nan))
        )
        if verdict == v.INCONCLUSIVE:
            here = exact_of[i] if i in exact_of else Forms(*(_at(form, i) for form in forms))
            now, n = _n_to_decide(plan, claim, fact, numbers, here)
            word = HEALED if claim.kind == "rescue" else DECIDES
            if n > now:
                numbers["n_to_decide"] = n
                many = f"about {n:.0f}" if n <= MOST_UNITS else f"over {MOST_UNITS}"
                said = f"{many} units per arm would make the interval as narrow as {word}"
            else:
                said = f"narrower than {word} already: the value lies too near a limit"
            reason = _text(said if np.isfinite(n) else "", reason)
        rows.append(fact | numbers | {"verdict": verdict, "reason": reason})
    if not claim.combine or not rows:
        return rows
    names = [str(f["outcome"]) for f in facts]
    each = ", ".join(
        f"{o}: {x}" + (f" ({f['reason']})" if x == v.NOT_JUDGED else "")
        for o, x, f in zip(names, d.verdict, facts, strict=True)
    )
    p = d.p[~np.isnan(d.p_adj)]
    whole = _base(claim, ALL_OF + ", ".join(names), "") | {
        "confounded_with": facts[0]["confounded_with"]
    }
    worst = float(p.max()) if p.size else np.nan
    return [
        whole
        | {
            "verdict": str(d.overall),
            "reason": each,
            "n_animals": min(int(f["n_animals"]) for f in facts),
            "level": float(d.level[0]),
            "p": worst,
            "p_adj": worst,
            "margin": facts[0].get("margin", ""),
        }
    ]


def _n_to_decide(
    plan: Plan,
    claim: Claim,
    fact: Mapping[str, Any],
    numbers: Mapping[str, float],
    forms: Forms | ExactForms,
) -> tuple[float, float]:
    """Units per arm now, and those at which the interval, at today's spread, would be no wider than
    the margin (`forms` of one outcome).

    It could then not hold both 0 and the margin; of a rescue, not both the threshold and healthy. The observed effect has no part
    in it. Intervals of shares and ranks narrow only about as the root of the number. NaN without a margin.
    """
    margin, width = plan.margin_of(claim), numbers["upper"] - numbers["lower"]
    if claim.kind == "rescue":
        size = float(fact.get("to_healthy", np.nan))
    elif forms.above is None:
        size = np.nan
    else:
        size = float(forms.effect.estimate - forms.above.estimate)
        if margin.kind == "raw" and isinstance(forms, Forms):  # judged on natural means
            size, width = margin.value, numbers["margin_upper"] - numbers["margin_lower"]
    arms = 1 if fact.get("paired") else max(len(plan.weights_of(claim)), 1)
    now = fact["n_animals"] / arms
    if not np.isfinite(width) or not size > 0:
        return now, np.nan
    return now, float(np.ceil(now * (width / size) ** 2))


def _to_healthy(plan: Plan, claim: Claim, cut: a.Cut, scale: str) -> float:
    """How far healthy lies from the threshold of a rescue, on the outcome's scale; NaN where an arm is missing."""
    names, code = (plan.healthy, plan.disease), position.CODES[scale]
    if not set(names) <= set(cut.arms):
        return np.nan
    m = position.natural(cut.summary().mean, code)
    healthy, disease = (m[cut.arms.index(x)] for x in names)
    at = position.scaled(claim.threshold * healthy + (1 - claim.threshold) * disease, code)
    return abs(float(position.scaled(healthy, code) - at))


def _absence(claim: Claim, forms: Forms, i: int, effective: float) -> dict[str, float]:
    """Evidence of absence beside the verdict: two one-sided tests, and a Bayes factor with the most that it could say here."""
    if claim.kind not in NO_BENEFIT:
        return {}
    effect, above, below = (_at(form, i) for form in forms)
    improvement = claim.kind == "non_superiority"
    tost = {"tost_p": float(np.maximum(p_below(above), p_above(below)))}
    if effect.bounded:
        return tost  # a Bayes factor knows no bound
    t, df = float(effect.estimate / effect.se), float(effect.df)
    return tost | {
        "bf01": float(bf01(t, effective, df, improvement_only=improvement)),
        "bf01_ceiling": float(ceiling(effective, df, improvement_only=improvement)),
    }


def _at(form: Estimate, i: int) -> Estimate:
    return Estimate(*(x[..., i] for x in np.broadcast_arrays(*form)))


def _why(plan: Plan, claim: Claim, i: int, verdict: str, decisions: dict[str, Decision]) -> str:
    """The earlier claim that decided this one, where one did."""
    if verdict not in (v.NO_DEFICIT, v.NOT_TESTED, v.NOT_JUDGED) or claim.kind == "gate":
        return "the deficit was not shown on the declared side" if verdict == v.NO_DEFICIT else ""
    earlier = list(claim.after)
    if plan.needs_deficit(claim):
        earlier = [*(g.id for g in plan.gates if g.id not in earlier), *earlier]
    for name in earlier:
        other = next(c for c in plan.claims if c.id == name)
        if claim.outcomes[i] not in other.outcomes:
            continue
        found = str(decisions[name].verdict[other.outcomes.index(claim.outcomes[i])])
        if not v.passed(found):
            return f"{name}: {found}"
    if verdict == v.NOT_TESTED:
        return f"no share of the level of family {claim.family} reached it"
    return ""
