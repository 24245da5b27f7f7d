"""Claims in the outcome's own unit: every arm with its interval, R at the level of its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import bdtr

from periomics.statistics.claims import animals as a
from periomics.statistics.claims import exact
from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.plan import Claim, Contrast, Plan
from periomics.statistics.claims.repeated import with_all
from periomics.statistics.kernels import position
from periomics.statistics.kernels.binary import clopper_pearson
from periomics.statistics.kernels.contrasts import AnyArms, interval
from periomics.statistics.kernels.discrete import Shares, share_rescue
from periomics.statistics.kernels.rescue import fieller
from periomics.study.interface.arms import COLUMNS, GEOMETRIC, MEAN, MEDIAN, SHARE, TYPICAL

RECOVERED = ("R", "R_lower", "R_upper")
# What the value of an arm is, by the scale that animals are compared on.
ESTIMANDS = {"log": GEOMETRIC, "count": GEOMETRIC, "logit": TYPICAL, "identity": MEAN}
BETWEEN_UNITS = "between units: the comparison is made within them"


def arm_table(analysis: Analysis) -> pd.DataFrame:
    """The value of every arm that a claim compares, in the outcome's own unit.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, one row per contrast, outcome, variant, time and arm; the contrast of a rescue
        is "rescue <arm>". `value` is the mean on the outcome's scale taken back (adjusted for what the
        contrast is adjusted for: an arm over all blocks), the median of grades and the share of yes or
        no; `lower` and `upper` are the ends of its own unadjusted interval, taken back the same way, of
        medians by order statistics and of shares by Clopper and Pearson. `sd` is the arm's, on the
        scale. The arms of a trend between animals are its doses; one within units has no rows.
    """
    plan = analysis.plan
    ready = analysis.of(with_all(analysis))
    rows: list[dict[str, object]] = []
    done = set()
    for claim, outcome in ((c, o) for c in plan.claims for o in c.outcomes):
        cut, part = _cut(ready, claim, outcome)
        trend = bool(claim.contrast and plan.contrasts[claim.contrast].trend)
        if cut is None or (trend and cut.paired):
            continue
        key = (_name(claim), outcome, claim.variant, cut.time)
        if key in done:
            continue
        done.add(key)
        first = part.iloc[0]
        about = dict(zip(("contrast", "outcome", "variant", "time"), key, strict=True))
        about |= {"time_unit": cut.time_unit, "unit": first["unit"], "level": 1 - plan.alpha}
        kind = str(analysis.dictionary["kind"].get(outcome, ""))
        arms = _doses(cut, plan.weights_of(claim), part) if trend else _arms(cut, plan, claim)
        for arm in arms:
            row = {"arm": arm.name, "n": arm.n, "scale": "", "sd": np.nan}
            row["reason"] = BETWEEN_UNITS if cut.paired else ""
            rows.append(about | row | _value(cut, arm, first, kind, 1 - plan.alpha))
    return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True)
class _Arm:
    """An arm of a cut: its name, animals or units, its place among `arms`, and which rows of the
    cut are its own."""

    name: str
    n: int
    place: int
    arms: AnyArms
    own: np.ndarray


def _arms(cut: a.Cut, plan: Plan, claim: Claim) -> Iterator[_Arm]:
    """Arms that a claim compares."""
    arms = cut.raw() if cut.paired else cut.summary()
    for name in (x for x in _names(plan, claim) if x in cut.arms):
        place = cut.arms.index(name)
        yield _Arm(name, a.counts(cut, {name: 1.0})[name], place, arms, cut.arm == place)


def _doses(cut: a.Cut, weights: Mapping[str, float], part: pd.DataFrame) -> Iterator[_Arm]:
    """Animals of a trend by their dose."""
    w = cut.weights(weights)
    arms, _, doses = a.dose_arms(cut, w, cut.analysis)
    unit = next((u for u in part["dose_unit"] if isinstance(u, str) and u), "")
    of_each = np.where(w[cut.arm] != 0, a.dose_of_each(cut, w), np.nan)
    for place, dose in enumerate(doses):
        own = of_each == dose
        yield _Arm(f"dose {dose:g} {unit}".rstrip(), int(own.sum()), place, arms, own)


def with_recovered(verdicts: pd.DataFrame, analysis: Analysis) -> pd.DataFrame:
    """Verdicts with the rescue fraction of each rescue claim and its set at the levels of the verdict.

    The lower end is at the level of what is claimed and the upper one at that of "refuted", so that an
    end and the verdict at the threshold never disagree. Ends are empty where the set has no bounds.
    """
    out = verdicts.assign(**dict.fromkeys(RECOVERED, np.nan))
    claims = {c.id: c for c in analysis.plan.claims}
    asked = out[(out["kind"] == "rescue") & out["lower"].notna()]
    if asked.empty:
        return out
    ready = analysis.of(with_all(analysis))
    for i, row in asked.iterrows():
        claim, outcome = claims[str(row["claim_id"])], str(row["outcome"])
        cut, part = _cut(ready, claim, outcome)
        if cut is None:
            continue
        levels = [row["level"], row["level_refuted"]]
        first, second = (1 - analysis.plan.alpha if pd.isna(x) else float(x) for x in levels)
        kind = str(analysis.dictionary["kind"].get(outcome, ""))
        found = [_recovered(analysis.plan, claim, cut, part, kind, x) for x in (first, second)]
        R, lower, upper = found[0][0], found[0][1], found[1][2]
        out.loc[i, list(RECOVERED)] = [R, lower, upper]
    return out


def _name(claim: Claim) -> str:
    """As a verdict names its contrast."""
    return claim.contrast or f"rescue {claim.arm}"


def _names(plan: Plan, claim: Claim) -> tuple[str, ...]:
    """Arms in the order of an answer: what is compared first, then with what."""
    if claim.kind == "rescue":
        return (claim.arm, plan.healthy, plan.disease)
    weights = plan.weights_of(claim)
    return tuple(sorted(weights, key=lambda arm: weights[arm] < 0))


def _cut(analysis: Analysis, claim: Claim, outcome: str) -> tuple[a.Cut | None, pd.DataFrame]:
    """The animals of a claim and outcome, as `judging.claim_forms` takes them."""
    plan, table = analysis.plan, analysis.animals
    part = table[(table["outcome"] == outcome) & (table["variant"] == claim.variant)]
    if part.empty or claim.kind == "association":
        return None, part
    contrast = plan.contrasts.get(claim.contrast) or Contrast(claim.id, plan.weights_of(claim))
    found = a.cuts(part, contrast, plan.role_arms, plan.adjustment)
    if not np.isnan(claim.time):
        found = [cut for cut in found if np.isclose(cut.time, claim.time)]
    return (found[-1] if found else None), part


def _value(cut: a.Cut, arm: _Arm, first: pd.Series, kind: str, level: float) -> dict[str, object]:
    """The value of one arm of a cut with its interval, and what it is; `first` is a row of the outcome."""
    values = cut.natural[arm.own]
    if kind == "binary":
        k, n = values.sum(), len(values)
        lower, upper = (float(x) for x in clopper_pearson(k, n, level))
        return {"value": k / n, "lower": lower, "upper": upper, "estimand": SHARE}
    if kind == "ordinal":
        lower, upper = median_interval(values, level)
        return {"value": np.median(values), "lower": lower, "upper": upper, "estimand": MEDIAN}
    scale, n_arms = str(first["scale"]), len(arm.arms.n)
    form = arm.arms.form(np.arange(n_arms) == arm.place)
    ends = np.array(interval(form, level))
    if form.bounded and np.isnan(form.se):  # no event, and so no spread
        ends = np.array([form.estimate - form.low, form.estimate + form.high])
    if arm.arms.n[arm.place] < a.MIN_UNITS:
        ends = np.full(2, np.nan)
    found = position.natural([form.estimate, *ends], position.CODES[scale])
    if scale == "logit" and str(first["unit"]).startswith("%"):
        found = 100 * found
    value, lower, upper = np.clip(found, *cut.limits)
    spread = np.std(cut.analysis[arm.own], ddof=1) if arm.own.sum() > 1 else np.nan
    numbers = {"value": value, "lower": lower, "upper": upper, "sd": spread}
    return {k: float(x) for k, x in numbers.items()} | {
        "estimand": ESTIMANDS[scale],
        "scale": scale,
    }


def median_interval(values: np.ndarray, level: float) -> tuple[float, float]:
    """The narrowest interval of order statistics that holds the median at `level`; NaN where none does.

    Notes
    -----
    The interval from the k-th smallest to the k-th largest of n misses the median where fewer than k
    values lie on one side of it: it holds it with 1 − 2 P(B < k), B binomial of n and ½; more where
    values are equal.
    """
    y = np.sort(np.asarray(values, float))
    ranks = [k for k in range(1, len(y) // 2 + 1) if 1 - 2 * bdtr(k - 1, len(y), 0.5) >= level]
    return (float(y[ranks[-1] - 1]), float(y[-ranks[-1]])) if ranks else (np.nan, np.nan)


def _recovered(
    plan: Plan, claim: Claim, cut: a.Cut, part: pd.DataFrame, kind: str, level: float
) -> tuple[float, float, float]:
    """R with the ends of its set at a level, NaN where the set has no bounds."""
    healthy, disease, arm = (cut.arms.index(x) for x in (plan.healthy, plan.disease, claim.arm))
    if kind in exact.KINDS:
        form, _ = exact.form(cut, plan.weights_of(claim), kind, str(part["outcome"].iloc[0]))
        if not isinstance(form, Shares):
            return np.nan, np.nan, np.nan
        R, lower, upper, bounded, _ = share_rescue(form, healthy, disease, arm, level)
    else:
        code = position.CODES[str(part["scale"].iloc[0])]
        found = fieller(cut.summary(), healthy, disease, arm, level, code)
        R, lower, upper = (float(x) for x in (found.R, found.lower, found.upper))
        bounded = bool(found.bounded)
    return (R, lower, upper) if bounded else (R, np.nan, np.nan)
