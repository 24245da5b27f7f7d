"""Tables of contrasts, rescue fractions and batches from the animals of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.multiplicity import benjamini_hochberg
from periomics.core.seeds import generator
from periomics.statistics.claims import animals as a
from periomics.statistics.claims import exact
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.checks import COLUMNS as CHECKS
from periomics.statistics.claims.checks import checks
from periomics.statistics.claims.composite import with_index
from periomics.statistics.claims.plan import Contrast, Plan
from periomics.statistics.claims.refusals import refusal
from periomics.statistics.claims.repeated import SUMMARIES, with_all
from periomics.statistics.kernels import position
from periomics.statistics.kernels.contrasts import Estimate, interval, p_two_sided
from periomics.statistics.kernels.discrete import Ranks, Shares, share_rescue
from periomics.statistics.kernels.effects import ratio_of_means
from periomics.statistics.kernels.rescue import NO_DEFICIT, describe, fieller
from periomics.study.claims import COMPOSITE
from periomics.study.dictionary import is_score, scores_among

CONTRAST_COLUMNS = (
    "outcome",
    "variant",
    "contrast",
    "kind",
    "estimate",
    "se",
    "df",
    "skew",
    "lower",
    "upper",
    "level",
    "p",
    "p_adj",
    "family",
    "scale",
    "n_animals",
    "method",
    "time",
    "time_unit",
    "unit",
    "domain",
    "benefit",
    "sign",
    "ratio",
    "ratio_lower",
    "ratio_upper",
    *CHECKS,
    "n_per_arm",
    "confounded_with",
    "reason",
)
RESCUE_COLUMNS = (
    "outcome",
    "arm",
    "R",
    "lower",
    "upper",
    "bounded",
    "deficit_p",
    "scale",
    "variant",
    "time",
    "time_unit",
    "level",
    "set",
    "n_animals",
    "kind",
    "reason",
)
BATCH_COLUMNS = ("outcome", "batch", "arm", "n_animals")
LOG_SCALES = ("log", "count")
NATURAL, RAW_MEANS, OWN_SCALE = "natural scale", "raw means", "own scale"
FLAT_DEFICIT = "healthy and diseased animals do not vary: R has no set"


def confirmatory(plan: Plan) -> dict[tuple[str, str, str], str]:
    """(contrast, outcome, variant) of confirmatory claims → the claim's family."""
    out: dict[tuple[str, str, str], str] = {}
    for claim in plan.claims:
        for outcome in claim.outcomes:
            if claim.contrast:
                out.setdefault((claim.contrast, outcome, claim.variant), claim.family)
    return out


def contrast_table(analysis: Analysis, seed: int) -> pd.DataFrame:
    """Every declared contrast of every outcome, variant and time.

    Parameters
    ----------
    analysis
        Plan, animals and dictionary.
    seed
        Seed of the config, for permutations that are too many to list.

    Returns
    -------
    DataFrame
        Columns `CONTRAST_COLUMNS`; estimates in the outcome's own direction (sign says which way is better). `kind`:
        confirmatory, secondary (BH over all secondary outcomes), score (BH over scores), composite (the healing index where no claim
        names it), sensitivity (other variants), time course (earlier times), natural scale. Where no inference is possible, p and
        interval are empty and the reason stands.
    """
    rows: list[dict[str, object]] = []
    plan, declared = analysis.plan, _declared(analysis.plan)
    animals = with_all(analysis)
    said = ("outcome", "variant", "scale", "scale_note", "unit")
    for outcome, variant, columns in a.by_outcome(animals, said):
        first = {name: columns[name][0] for name in said}
        for contrast in plan.contrasts.values():
            cut_list = a.cuts(columns, contrast, plan.role_arms, plan.adjustment)
            for i, cut in enumerate(cut_list):
                last = i == len(cut_list) - 1
                key = (contrast.id, outcome, variant)
                family = declared.get((*key, cut.time)) or (
                    declared.get((*key, None)) if last else None
                )
                kind = _kind(outcome, variant, last, family is not None)
                rows += _rows(
                    analysis,
                    first,
                    contrast,
                    cut,
                    kind=kind,
                    family=family or kind,
                    seed=seed,
                )
    table = pd.DataFrame(rows, columns=list(CONTRAST_COLUMNS))
    for kind in ("secondary", "score"):
        members = table["kind"] == kind
        p = table.loc[members, "p"].astype(float)
        table.loc[members, "p_adj"] = benjamini_hochberg(p) if plan.secondary == "bh" else p
    return table


def _declared(plan: Plan) -> dict[tuple[str, str, str, float | None], str]:
    """As `confirmatory`, by the time that a claim names; None for the last one."""
    out: dict[tuple[str, str, str, float | None], str] = {}
    for claim in (c for c in plan.claims if c.contrast):
        time = None if np.isnan(claim.time) else claim.time
        for outcome in claim.outcomes:
            out.setdefault((claim.contrast, outcome, claim.variant, time), claim.family)
    return out


def _kind(outcome: str, variant: str, last: bool, declared: bool) -> str:
    if declared:
        return "confirmatory"
    if not last:
        return "time course"
    if variant and variant not in SUMMARIES.values():
        return "sensitivity"
    if outcome == COMPOSITE:
        return "composite"
    return "score" if is_score(outcome) else "secondary"


def _rows(
    analysis: Analysis,
    first: Mapping[str, Any],
    contrast: Contrast,
    cut: a.Cut,
    *,
    kind: str,
    family: str,
    seed: int,
) -> list[dict[str, object]]:
    """Rows of one cut; `first` is the first row of its outcome and variant."""
    plan, known = analysis.plan, analysis.entry(first["outcome"])
    form, method, differences = a.estimate(cut, contrast, contrast.weights)
    refused = refusal(cut, form, contrast.weights, contrast.trend)
    n = a.counts(cut, contrast.weights)
    sign = analysis.direction(first["outcome"])
    level = 1 - plan.alpha
    row: dict[str, object] = {
        "outcome": first["outcome"],
        "variant": first["variant"],
        "contrast": contrast.id,
        "kind": kind,
        "family": family,
        "scale": first["scale"],
        "n_animals": _units(cut, contrast, differences),
        "method": method,
        "time": cut.time,
        "time_unit": cut.time_unit,
        "unit": first["unit"],
        "domain": known["domain"],
        "benefit": known["benefit"],
        "sign": sign,
        "n_per_arm": ", ".join(f"{k} {v}" for k, v in n.items()),
        "confounded_with": contrast.confounded_with,
        "level": level,
        "p_adj": np.nan,
        "reason": _text(
            refused.text, first["scale_note"], cut.note, "" if refused else cut.bounds_note
        ),
    }
    row |= _inference(form, level, bool(refused))
    if first["scale"] in LOG_SCALES and not contrast.trend:
        ends: Sequence[Any] = (
            ratio_of_means(form, level) if not refused else (np.exp(form.estimate), np.nan, np.nan)
        )
        row |= dict(zip(("ratio", "ratio_lower", "ratio_upper"), map(float, ends), strict=True))
    if known["kind"] in exact.KINDS:
        note = _text(first["scale_note"], cut.note)
        return [row | _exact(cut, contrast, level, known["kind"], first["outcome"], note=note)]
    whole = exact.all_or_none(cut, contrast.weights, refused)
    if whole and not contrast.trend:
        lower, upper = whole.interval(level)
        row |= {"estimate": whole.estimate, "lower": lower, "upper": upper, "level": level}
        note = _text(exact.ALL_OR_NONE, first["scale_note"], cut.note)
        return [row | {"p": whole.p_two_sided(), "method": whole.method, "reason": note}]
    if not refused and not first["variant"] and kind not in ("time course", "score"):
        toward = known["benefit"] == "toward_control"
        rng = generator(seed, "estimate_contrasts", f"{row['outcome']}/{row['contrast']}")
        found, said = checks(
            plan,
            contrast,
            cut,
            form=form,
            differences=differences,
            sign=sign,
            toward_control=toward,
            rng=rng,
        )
        row |= found | ({"method": f"{row['method']}; {said}"} if said else {})
    out = [row]
    if first["scale"] != "identity" and kind != "time course":
        natural, _, _ = a.estimate(cut, contrast, contrast.weights, natural=True)
        refused = refusal(cut, natural, contrast.weights, contrast.trend)
        plain = {**row, "kind": "natural scale", "family": "natural scale", "scale": "identity"}
        plain |= dict.fromkeys(("ratio", "ratio_lower", "ratio_upper", *CHECKS), np.nan)
        out.append(
            plain
            | _inference(natural, level, bool(refused))
            | {"reason": _text(refused.text, cut.note)}
        )
    return out


def _units(cut: a.Cut, contrast: Contrast, differences: np.ndarray) -> int:
    if cut.paired:
        return len(differences)
    return sum(a.counts(cut, contrast.weights).values())


def _text(*parts: str) -> str:
    return "; ".join(dict.fromkeys(p for p in parts if p))


def _inference(form: Estimate, level: float, refused: bool) -> dict[str, object]:
    estimate = float(form.estimate)
    if refused:
        return {
            "estimate": estimate,
            **dict.fromkeys(("se", "df", "skew", "lower", "upper", "p"), np.nan),
            "level": np.nan,
        }
    lower, upper = interval(form, level)
    return {
        "estimate": estimate,
        "se": float(form.se),
        "df": float(form.df),
        "skew": float(form.skew),
        "lower": float(lower),
        "upper": float(upper),
        "p": float(p_two_sided(form)),
    }


def _exact(
    cut: a.Cut, contrast: Contrast, level: float, kind: str, outcome: str, *, note: str
) -> dict[str, object]:
    """Inference for yes or no and for grades; the estimate of grades is P(first > second) + ½ P(equal) − ½."""
    none = dict.fromkeys(("se", "df", "skew", "lower", "upper", "p", "level"), np.nan)
    found, reason = exact.form(cut, contrast.weights, kind, outcome)
    if contrast.trend or found is None:
        reason = reason or "a trend over doses is not fitted to yes or no or to grades"
        return none | {"reason": _text(reason, note)}
    lower, upper = found.interval(level)
    row = {"estimate": found.estimate, "lower": lower, "upper": upper, "p": found.p_two_sided()}
    if isinstance(found, Ranks):
        row["perm_floor"] = found.floor
    return none | row | {"level": level, "method": found.method, "reason": note}


def rescue_table(analysis: Analysis) -> pd.DataFrame:
    """Rescue fraction of every treated arm and outcome on the natural scale, with its sensitivity.

    Returns
    -------
    DataFrame
        Columns `RESCUE_COLUMNS`. `kind`: "natural scale" (natural positions, tested on the outcome's scale: what verdicts rest on),
        "raw means" (means of natural values, whose intervals do not hold their level where values are skewed) and "own scale"
        (R on the outcome's scale, another number); empty where the config names no healthy or no disease arm. `lower` and `upper` of
        an unbounded set are the ends of its two rays, said in `set`.
    """
    rows: list[dict[str, object]] = []
    plan, animals = analysis.plan, with_index(analysis).animals
    wanted = (
        animals[~scores_among(animals["outcome"])] if plan.healthy and plan.disease else animals[:0]
    )
    for outcome, variant, columns in a.by_outcome(wanted, ["scale"]):
        for arm in plan.treated:
            form = Contrast("", {plan.healthy: 1.0, plan.disease: -1.0, arm: 1.0})
            cut_list = a.cuts(columns, form, plan.role_arms, plan.adjustment)
            if not cut_list or cut_list[-1].paired:
                continue
            scale = str(columns["scale"][0])
            known = analysis.entry(outcome)["kind"]
            if known in exact.KINDS:
                rows.append(
                    _exact_rescue(plan, cut_list[-1], arm, str(known), outcome)
                    | {"variant": variant, "arm": arm, "kind": NATURAL, "scale": scale}
                )
                continue
            for kind, code in (
                (NATURAL, position.CODES[scale]),
                (RAW_MEANS, None),
                (OWN_SCALE, position.IDENTITY),
            ):
                if kind == NATURAL or scale != "identity":
                    rows.append(
                        _rescue(plan, cut_list[-1], arm, code)
                        | {
                            "outcome": outcome,
                            "variant": variant,
                            "arm": arm,
                            "kind": kind,
                            "scale": scale if kind == OWN_SCALE else "identity",
                        }
                    )
    return pd.DataFrame(rows, columns=list(RESCUE_COLUMNS))


def _exact_rescue(plan: Plan, cut: a.Cut, arm: str, kind: str, outcome: str) -> dict[str, object]:
    """R of one arm from shares of animals; grades have none."""
    weights = {plan.healthy: -0.5, plan.disease: -0.5, arm: 1.0}
    row: dict[str, object] = {
        "outcome": outcome,
        "time": cut.time,
        "time_unit": cut.time_unit,
        "n_animals": sum(a.counts(cut, weights).values()),
        **dict.fromkeys(("R", "lower", "upper", "deficit_p", "level"), np.nan),
        "bounded": False,
        "set": "",
    }
    found, reason = exact.form(cut, weights, kind, outcome)
    if kind == "ordinal":
        return row | {"reason": _text(exact.NO_DISTANCE, cut.note)}
    if not isinstance(found, Shares):
        return row | {"reason": _text(reason, cut.note)}
    healthy, disease, place = (cut.arms.index(x) for x in (plan.healthy, plan.disease, arm))
    R, lower, upper, bounded, p = share_rescue(found, healthy, disease, place, 1 - plan.alpha)
    why = NO_DEFICIT if not p <= plan.alpha else exact.WIDER
    return row | {
        "R": R,
        "lower": lower,
        "upper": upper,
        "deficit_p": p,
        "level": 1 - plan.alpha,
        "bounded": bounded,
        "set": describe(lower, upper, bounded, why),
        "reason": _text("" if bounded else why, cut.note),
    }


def _rescue(plan: Plan, cut: a.Cut, arm: str, code: int | None) -> dict[str, object]:
    """R of one arm; `code` of the scale whose natural positions are compared, nothing for raw natural means."""
    weights = {plan.healthy: -0.5, plan.disease: -0.5, arm: 1.0}
    form, _, _ = a.estimate(cut, Contrast("", weights), weights, natural=code is None)
    refused = refusal(cut, form, weights)
    n = a.counts(cut, weights)
    row: dict[str, object] = {
        "time": cut.time,
        "time_unit": cut.time_unit,
        "level": 1 - plan.alpha,
        "n_animals": sum(n.values()),
    }
    healthy, disease, place = (cut.arms.index(x) for x in (plan.healthy, plan.disease, arm))
    found = fieller(
        cut.summary(natural=code is None),
        healthy,
        disease,
        place,
        level=1 - plan.alpha,
        code=code or position.IDENTITY,
    )
    row |= {"R": float(found.R)}
    if refused:
        gone = dict.fromkeys(("lower", "upper", "deficit_p", "level"), np.nan)
        return row | gone | {"bounded": False, "set": "", "reason": _text(refused.text, cut.note)}
    if np.isnan(found.deficit_p):
        return row | _flat_deficit(plan, cut, row)
    lower, upper, bounded = float(found.lower), float(found.upper), bool(found.bounded)
    return row | {
        "lower": lower,
        "upper": upper,
        "bounded": bounded,
        "deficit_p": float(found.deficit_p),
        "set": describe(lower, upper, bounded),
        "reason": _text("" if bounded else NO_DEFICIT, cut.note, cut.bounds_note),
    }


def _flat_deficit(plan: Plan, cut: a.Cut, row: Mapping[str, object]) -> dict[str, object]:
    """What is told of R where healthy and diseased animals do not vary; a deficit may be shown even
    so (`exact.all_or_none`)."""
    gap = plan.deficit()
    whole = exact.all_or_none(cut, gap, refusal(cut, cut.summary().form(cut.weights(gap)), gap))
    gone = dict.fromkeys(("lower", "upper", "level"), np.nan)
    return gone | {
        "bounded": False,
        "set": "",
        "deficit_p": whole.p_two_sided() if whole else np.nan,
        "reason": _text(FLAT_DEFICIT, cut.note, cut.bounds_note),
    }


def batch_table(prepared: pd.DataFrame) -> pd.DataFrame:
    """Animals of each arm in each batch, by outcome: what a batch effect could pass for."""
    df = prepared[(prepared["variant"] == "") & ~scores_among(prepared["outcome"])]
    table = (
        df.groupby(["outcome", "batch", "condition"], sort=True)["animal_id"]
        .nunique()
        .reset_index()
    )
    return table.set_axis(list(BATCH_COLUMNS), axis=1)
