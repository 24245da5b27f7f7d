"""Tables of contrasts, rescue fractions and batches from the animals of a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from periomics.core.multiplicity import benjamini_hochberg
from periomics.core.seeds import generator
from periomics.statistics.claims import animals as a
from periomics.statistics.claims.checks import COLUMNS as CHECKS
from periomics.statistics.claims.checks import checks, two_arms
from periomics.statistics.claims.composite import with_index
from periomics.statistics.claims.plan import Contrast, Plan
from periomics.statistics.claims.repeated import SUMMARIES, with_summaries
from periomics.statistics.kernels import position
from periomics.statistics.kernels.binary import (
    LARGE,
    METHOD,
    METHOD_BLOCKS,
    METHOD_LARGE,
    risk_difference,
    risk_difference_blocks,
)
from periomics.statistics.kernels.contrasts import Estimate, interval, p_two_sided
from periomics.statistics.kernels.effects import ratio_of_means
from periomics.statistics.kernels.ordinal import compare_ranks
from periomics.statistics.kernels.rescue import describe, fieller
from periomics.study.claims import COMPOSITE
from periomics.study.dictionary import direction_of, entry, is_score, scores_among

CONTRAST_COLUMNS = (
    "outcome",
    "variant",
    "contrast",
    "kind",
    "estimate",
    "se",
    "df",
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


def direction(plan: Plan, dictionary: pd.DataFrame, outcome: str) -> float:
    """+1 or −1 as declared in the dictionary or under `directions`, NaN where no direction is declared."""
    return direction_of(dictionary, outcome, plan.directions)


def confirmatory(plan: Plan) -> dict[tuple[str, str, str], str]:
    """(contrast, outcome, variant) of confirmatory claims → the claim's family."""
    out: dict[tuple[str, str, str], str] = {}
    for claim in plan.claims:
        for outcome in claim.outcomes:
            if claim.contrast:
                out.setdefault((claim.contrast, outcome, claim.variant), claim.family)
    return out


def contrast_table(
    plan: Plan, prepared: pd.DataFrame, dictionary: pd.DataFrame, seed: int
) -> pd.DataFrame:
    """Every declared contrast of every outcome, variant and time.

    Parameters
    ----------
    plan
        The claims.
    prepared
        `animals.prepare`.
    dictionary
        resources/outcomes.tsv.
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
    prepared, declared = with_summaries(with_index(plan, prepared, dictionary)), confirmatory(plan)
    for (outcome, variant), part in prepared.groupby(["outcome", "variant"], sort=True):
        for contrast in plan.contrasts.values():
            cut_list = a.cuts(part, contrast, plan.role_arms, plan.adjustment)
            for i, cut in enumerate(cut_list):
                last = i == len(cut_list) - 1
                family = declared.get((contrast.id, str(outcome), str(variant)))
                kind = _kind(str(outcome), str(variant), last, family is not None)
                rows += _rows(
                    plan,
                    contrast,
                    cut,
                    part=part,
                    kind=kind,
                    family=family or kind,
                    dictionary=dictionary,
                    seed=seed,
                )
    table = pd.DataFrame(rows, columns=list(CONTRAST_COLUMNS))
    for kind in ("secondary", "score"):
        members = table["kind"] == kind
        p = table.loc[members, "p"].astype(float)
        table.loc[members, "p_adj"] = benjamini_hochberg(p) if plan.secondary == "bh" else p
    return table


def _kind(outcome: str, variant: str, last: bool, declared: bool) -> str:
    if not last:
        return "time course"
    if declared:
        return "confirmatory"
    if variant and variant not in SUMMARIES.values():
        return "sensitivity"
    if outcome == COMPOSITE:
        return "composite"
    return "score" if is_score(outcome) else "secondary"


def _rows(
    plan: Plan,
    contrast: Contrast,
    cut: a.Cut,
    part: pd.DataFrame,
    kind: str,
    family: str,
    dictionary: pd.DataFrame,
    seed: int,
) -> list[dict[str, object]]:
    first = part.iloc[0]
    known = entry(dictionary, first["outcome"])
    form, method, differences = a.estimate(cut, contrast, contrast.weights)
    refused = a.refusal(cut, form, contrast.weights)
    n = a.counts(cut, contrast.weights)
    sign = direction(plan, dictionary, first["outcome"])
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
        "reason": _text(refused.text, first["scale_note"], cut.note),
    }
    row |= _inference(form, level, bool(refused))
    if first["scale"] in LOG_SCALES and not contrast.trend:
        ends: Sequence[Any] = (
            ratio_of_means(form, level) if not refused else (np.exp(form.estimate), np.nan, np.nan)
        )
        row |= dict(zip(("ratio", "ratio_lower", "ratio_upper"), map(float, ends), strict=True))
    rng = generator(seed, "estimate_contrasts", f"{row['outcome']}/{row['contrast']}")
    if known["kind"] == "binary" and not cut.paired:
        return [row | _binary(cut, contrast, level, refused)]
    if known["kind"] == "ordinal" and not cut.paired:
        return [row | _ordinal(cut, contrast, level, refused, rng)]
    if not refused and not first["variant"] and kind not in ("time course", "score"):
        toward = known["benefit"] == "toward_control"
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
        refused = a.refusal(cut, natural, contrast.weights)
        plain = {**row, "kind": "natural scale", "family": "natural scale", "scale": "identity"}
        plain |= dict.fromkeys(("ratio", "ratio_lower", "ratio_upper", *CHECKS), np.nan)
        out.append(
            plain
            | _inference(natural, level, bool(refused))
            | {"reason": _text(refused.text, cut.note)}
        )
    return out


def _units(cut: a.Cut, contrast: Contrast, differences: np.ndarray) -> int:
    if cut.paired or contrast.trend:
        return len(differences)
    return sum(a.counts(cut, contrast.weights).values())


def _text(*parts: str) -> str:
    return "; ".join(dict.fromkeys(p for p in parts if p))


def _inference(form: Estimate, level: float, refused: bool) -> dict[str, object]:
    estimate = float(form.estimate)
    if refused:
        return {
            "estimate": estimate,
            **dict.fromkeys(("se", "df", "lower", "upper", "p"), np.nan),
            "level": np.nan,
        }
    lower, upper = interval(form, level)
    return {
        "estimate": estimate,
        "se": float(form.se),
        "df": float(form.df),
        "lower": float(lower),
        "upper": float(upper),
        "p": float(p_two_sided(form)),
    }


def _binary(cut: a.Cut, contrast: Contrast, level: float, refused: a.Refusal) -> dict[str, object]:
    """Inference for yes or no: exact instead of t, within blocks where there are any, and only for two arms."""
    none = dict.fromkeys(("se", "df", "lower", "upper", "p", "level"), np.nan)
    pair = two_arms(cut, contrast)
    if (
        pair is None
        or set(np.abs(cut.weights(contrast.weights))) - {0.0, 1.0}
        or not np.isin(cut.natural, (0.0, 1.0)).all()
    ):
        return none | {"reason": _text("yes or no is compared between two arms only", cut.note)}
    if refused and refused.kind not in (*a.WITHOUT_SPREAD, a.Refused.NOT_ESTIMABLE):
        return none | {"reason": _text(refused.text, cut.note)}
    blocks = np.unique(cut.block) if "block" in cut.adjusted_for else np.array([""])
    inside = [cut.block == b for b in blocks] if len(blocks) > 1 else [np.ones(cut.arm.shape, bool)]
    events, n = (
        np.array([[f(cut.natural[rows & (cut.arm == i)]) for i in pair] for rows in inside])
        for f in (np.sum, np.size)
    )
    if len(inside) > 1:
        found, method = risk_difference_blocks(events, n, level), METHOD_BLOCKS
    else:
        (e1, e2), (n1, n2) = events[0], n[0]
        found = risk_difference((int(e1), int(e2)), (int(n1), int(n2)), level)
        method = METHOD if n.max() <= LARGE else METHOD_LARGE
    numbers = dict(zip(("estimate", "lower", "upper", "p"), map(float, found), strict=True))
    return none | numbers | {"level": level, "method": method, "reason": cut.note}


def _ordinal(
    cut: a.Cut, contrast: Contrast, level: float, refused: a.Refusal, rng: np.random.Generator
) -> dict[str, object]:
    """Inference for grades: ranks instead of means. The estimate is P(first > second) + half P(equal) − 0.5, so that 0 is no tendency."""
    none = dict.fromkeys(("se", "df", "lower", "upper", "p", "level"), np.nan)
    pair = two_arms(cut, contrast)
    if pair is None:
        return none | {"reason": _text("grades are compared between two arms only", cut.note)}
    if refused and refused.kind not in a.WITHOUT_SPREAD:
        return none | {"reason": _text(refused.text, cut.note)}
    used = np.isin(cut.arm, pair)
    block = cut.block if all(cut.block[used]) else np.full(cut.block.shape, "")
    found = compare_ranks(cut.natural[used], cut.arm[used] == pair[0], block[used], rng, level)
    return none | {
        "estimate": found.effect - 0.5,
        "lower": found.lower - 0.5,
        "upper": found.upper - 0.5,
        "p": found.p,
        "level": level,
        "perm_floor": found.floor,
        "method": "ranks: Brunner and Munzel, studentised permutation",
        "reason": _text(found.reason, cut.note),
    }


def rescue_table(plan: Plan, prepared: pd.DataFrame, dictionary: pd.DataFrame) -> pd.DataFrame:
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
    prepared = with_index(plan, prepared, dictionary)
    wanted = (
        prepared[~scores_among(prepared["outcome"])]
        if plan.healthy and plan.disease
        else prepared[:0]
    )
    for (outcome, variant), part in wanted.groupby(["outcome", "variant"], sort=True):
        for arm in plan.treated:
            form = Contrast("", {plan.healthy: 1.0, plan.disease: -1.0, arm: 1.0})
            cut_list = a.cuts(part, form, plan.role_arms, plan.adjustment)
            if not cut_list or cut_list[-1].paired:
                continue
            scale = str(part["scale"].iloc[0])
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


def _rescue(plan: Plan, cut: a.Cut, arm: str, code: int | None) -> dict[str, object]:
    """R of one arm; `code` of the scale whose natural positions are compared, nothing for raw natural means."""
    weights = {plan.healthy: -0.5, plan.disease: -0.5, arm: 1.0}
    form, _, _ = a.estimate(cut, Contrast("", weights), weights, natural=code is None)
    refused = a.refusal(cut, form, weights)
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
    lower, upper, bounded = float(found.lower), float(found.upper), bool(found.bounded)
    return row | {
        "lower": lower,
        "upper": upper,
        "bounded": bounded,
        "deficit_p": float(found.deficit_p),
        "set": describe(lower, upper, bounded),
        "reason": _text("" if bounded else "deficit not established", cut.note),
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
