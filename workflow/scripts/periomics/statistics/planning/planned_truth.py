"""What a study is planned for: effects, SD and animals of each claim and outcome. Effects are declared, never taken from data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import stats

from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.exact import KINDS
from periomics.statistics.claims.plan import WITHIN_UNITS, Claim, Contrast, Plan
from periomics.study.claims import COMPOSITE, NO_BENEFIT
from periomics.study.dictionary import entry
from periomics.study.settings.planning import Planning


@dataclass(frozen=True)
class Spread:
    """SD between animals of an outcome within arms: on the natural and on the own scale, its 95 % interval, and where from."""

    natural: float
    own: float
    lower: float
    upper: float
    per_arm: str
    source: str


@dataclass(frozen=True)
class Truth:
    """What is simulated and computed with.

    Parameters
    ----------
    outcomes
        Every outcome that a claim names.
    arms
        Every arm that is compared between animals.
    R
        Share of the deficit that each arm makes up; healthy 1, disease 0.
    d
        Healthy − disease in SD, of each outcome.
    spread
        SD of each outcome.
    n
        (outcome, arm) → animals now; for comparisons within units (outcome, contrast id) → units now.
    sign
        1 where the outcome can be judged, NaN where it cannot.
    refused
        Why an outcome cannot be judged.
    index
        Outcome → weight in the composite index, where a claim names it.
    """

    outcomes: tuple[str, ...]
    arms: tuple[str, ...]
    R: Mapping[str, float]
    d: Mapping[str, float]
    spread: Mapping[str, Spread]
    n: Mapping[tuple[str, str], int]
    sign: Mapping[str, float]
    refused: Mapping[str, str]
    index: Mapping[str, float] = field(default_factory=dict)


def plannable(plan: Plan) -> Plan:
    """The plan without claims on associations, which have no arms, and without waiting for them."""
    kept = [c for c in plan.claims if c.kind != "association"]
    names = {c.id for c in kept}
    return replace(
        plan, claims=tuple(replace(c, after=tuple(a for a in c.after if a in names)) for c in kept)
    )


def is_within(plan: Plan, claim: Claim, groups: Iterable[str]) -> bool:
    """Whether a claim compares arms within units: its contrast says so, or no animal belongs to one of its arms."""
    if claim.kind == "rescue":
        return False
    contrast = plan.contrasts[claim.contrast]
    return (
        contrast.trend
        or contrast.unit in WITHIN_UNITS
        or not ({*groups, plan.healthy, plan.disease} & set(contrast.weights))
    )


def recoveries(plan: Plan, settings: Planning, arms: Iterable[str]) -> dict[str, float]:
    """R of each arm: as declared; healthy 1, disease 0; 0 where a claim says that the arm does not improve; else `recovery`.

    Without a healthy arm in the roles an arm of positive weight makes up the whole effect.
    """
    ahead: set[str] = set()
    level: set[str] = set()
    for claim in plan.claims:
        for arm, w in plan.weights_of(claim).items():
            if w > 0:
                (level if claim.kind in NO_BENEFIT else ahead).add(arm)
    out = {}
    for arm in arms:
        if arm in settings.R:
            out[arm] = float(settings.R[arm])
        elif arm in (plan.healthy, plan.disease):
            out[arm] = float(arm == plan.healthy)
        elif arm in level or arm not in ahead:
            out[arm] = 0.0
        else:
            out[arm] = settings.recovery if plan.healthy else 1.0
    return out


def truth(analysis: Analysis, settings: Planning, sheet: pd.DataFrame) -> Truth:
    """Gather what each claim is planned with.

    Parameters
    ----------
    analysis
        Plan, dictionary and, where the study is measured, its animals: SD and numbers of animals come
        from them, effects do not.
    settings
        The planning section.
    sheet
        The animals sheet.
    """
    plan, dictionary = analysis.plan, analysis.dictionary
    groups = [g for g in sheet["group"].unique() if g]
    outcomes = tuple(dict.fromkeys(o for c in plan.claims for o in c.outcomes))
    between = [c for c in plan.claims if not is_within(plan, c, groups)]
    arms = tuple(dict.fromkeys(a for c in between for a in (*plan.weights_of(c), *plan.deficit())))
    index = _index(analysis) if COMPOSITE in outcomes else {}
    spread, d, sign, refused, n = {}, {}, {}, {}, {}
    for outcome in dict.fromkeys((*outcomes, *index)):
        claims = [c for c in plan.claims if outcome in c.outcomes]
        rows = _rows(analysis.animals, outcome, claims[0] if claims else None)
        known = entry(dictionary, outcome)
        apart = claims[0].contrast if claims and claims[0] not in between else ""
        spread[outcome] = (
            _spread_within(rows, plan.contrasts[apart])
            if apart
            else _spread(rows, str(known["scale"]), settings, outcome, plan.adjustment.blocks)
        )
        planned = settings.effect_of.get(outcome)
        natural = spread[outcome].natural
        d[outcome] = settings.effect_d if planned is None or not natural > 0 else planned / natural
        sign[outcome] = abs(analysis.direction(outcome))
        refused[outcome] = "" if sign[outcome] == 1 else "no declared direction of benefit"
        if known["kind"] in KINDS:
            sign[outcome], refused[outcome] = np.nan, "yes or no, or grades: no power is computed"
        for arm in arms:
            n[outcome, arm] = _animals(rows, sheet, arm)
        for claim in claims:
            if claim not in between:
                n[outcome, claim.contrast] = _units(rows, sheet, plan, claim)
    R = recoveries(plan, settings, arms)
    if index:
        index = _in_overall_sd(index, d, R)
        d[COMPOSITE] = sum(w * d[o] for o, w in index.items()) / index_sd(
            index, settings.correlation
        )
    return Truth(
        outcomes=outcomes,
        arms=arms,
        R=R,
        d=d,
        spread=spread,
        n=n,
        sign=sign,
        refused=refused,
        index=index,
    )


def _index(analysis: Analysis) -> dict[str, float]:
    """Weight of each outcome in the composite: equal in its domain, domains equal."""
    plan, dictionary = analysis.plan, analysis.dictionary
    domain = {o: d for d, o in plan.domains.items()}
    of = {o: domain.get(o, str(entry(dictionary, o)["domain"])) for o in plan.composite}
    count = pd.Series(of).value_counts()
    return {o: 1 / (len(count) * count[d]) for o, d in of.items()}


def _in_overall_sd(
    index: Mapping[str, float], d: Mapping[str, float], R: Mapping[str, float]
) -> dict[str, float]:
    """Weights of outcomes in SD between animals of an arm: the index has each in the SD over all animals, which its deficit widens."""
    apart = float(np.var(list(R.values()))) if R else 0.0
    w = {o: weight / np.sqrt(1 + d[o] ** 2 * apart) for o, weight in index.items()}
    return {o: float(x / sum(w.values())) for o, x in w.items()}


def index_sd(index: Mapping[str, float], correlation: float) -> float:
    """SD between animals of a weighted mean of equally correlated standard outcomes."""
    w = np.array(list(index.values()))
    return float(np.sqrt((1 - correlation) * (w**2).sum() + correlation * w.sum() ** 2))


def _rows(animals: pd.DataFrame, outcome: str, claim: Claim | None) -> pd.DataFrame:
    """One value an animal and arm: of the claim's time, else the last."""
    columns = ["animal_id", "condition", "value", "analysis", "unit_of_analysis", "block"]
    if animals.empty:
        return pd.DataFrame(columns=columns)
    rows = animals[
        (animals["outcome"] == outcome) & (animals["variant"] == (claim.variant if claim else ""))
    ]
    if rows["time"].notna().any():
        time = claim.time if claim and np.isfinite(claim.time) else rows["time"].max()
        near = rows[np.isclose(rows["time"], time)]
        # Different animals at different times are one sample; the same animals are not.
        rows = near if rows.duplicated(["animal_id", "condition"]).any() else rows
    keys = ["animal_id", "condition", "unit_of_analysis", "block"]
    return rows.groupby(keys, sort=True)[["value", "analysis"]].mean().reset_index()[columns]


def _spread(
    rows: pd.DataFrame, scale: str, settings: Planning, outcome: str, blocks: bool
) -> Spread:
    counts = rows.groupby("condition")["value"].agg(["std", "count"])
    counts = counts[counts["count"] >= 2]
    (natural, df), (own, _) = (_residual(rows, column, blocks) for column in ("value", "analysis"))
    if df > 0 and natural > 0:
        lower, upper = natural * np.sqrt(df / stats.chi2.ppf([0.975, 0.025], df))
        each = ", ".join(f"{a} {r['std']:.3g} (n {int(r['count'])})" for a, r in counts.iterrows())
        within = "arms and blocks" if blocks and rows["block"].nunique() > 1 else "arms"
        source = f"animals of this study, pooled within {within}, {df} df"
        return Spread(natural, own, float(lower), float(upper), each, source)
    cv = float(settings.cv_of.get(outcome, settings.cv))
    own = float(np.sqrt(np.log1p(cv**2))) if scale in ("log", "count") else np.nan
    told = f": coefficient of variation {cv:g} declared for planning" if np.isfinite(own) else ""
    return Spread(np.nan, own, np.nan, np.nan, "", f"no animals measured{told}")


def _spread_within(rows: pd.DataFrame, contrast: Contrast) -> Spread:
    """SD of the differences within units."""
    none = Spread(np.nan, np.nan, np.nan, np.nan, "", "no units measured with every arm")
    if contrast.trend or rows.empty:
        return none
    parts = {}
    for column in ("value", "analysis"):
        arms = [
            w * rows[_named(rows["condition"], a)].groupby("animal_id")[column].mean()
            for a, w in contrast.weights.items()
        ]
        parts[column] = pd.concat(arms, axis=1, join="inner").sum(axis=1, skipna=False).dropna()
    df = len(parts["value"]) - 1
    if df < 1 or not parts["value"].std(ddof=1) > 0:
        return none
    natural, own = (float(parts[c].std(ddof=1)) for c in ("value", "analysis"))
    lower, upper = natural * np.sqrt(df / stats.chi2.ppf([0.975, 0.025], df))
    return Spread(
        natural,
        own,
        float(lower),
        float(upper),
        "",
        f"differences within units of this study, {df} df",
    )


def _residual(rows: pd.DataFrame, column: str, blocks: bool) -> tuple[float, int]:
    """SD and degrees of freedom left after arms and, where contrasts are adjusted for them, blocks; (NaN, 0) where nothing is left."""
    y = rows[column].to_numpy(float)
    if not len(y) or np.isnan(y).any():
        return float("nan"), 0
    labels = [rows["condition"]] + ([rows["block"]] if blocks else [])
    design = np.hstack([pd.get_dummies(x).to_numpy(float) for x in labels])
    fit, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    df = len(y) - int(rank)
    return (
        (float(np.sqrt(((y - design @ fit) ** 2).sum() / df)), df) if df > 0 else (float("nan"), 0)
    )


def _named(condition: pd.Series, arm: str) -> pd.Series:
    return condition.isin([arm, arm.rpartition("@")[0] or arm])


def _animals(rows: pd.DataFrame, sheet: pd.DataFrame, arm: str) -> int:
    if len(rows):
        return int(rows.loc[_named(rows["condition"], arm), "animal_id"].nunique())
    return int(_named(sheet["group"], arm).sum())


def _units(rows: pd.DataFrame, sheet: pd.DataFrame, plan: Plan, claim: Claim) -> int:
    contrast = plan.contrasts[claim.contrast]
    if len(rows):
        seen = [set(rows.loc[_named(rows["condition"], a), "animal_id"]) for a in contrast.weights]
        return len(set.intersection(*seen))
    return (
        int((sheet["unit"] == contrast.unit).sum())
        if contrast.unit
        else int((sheet["group"] == "").sum())
    )


def effect_of_claim(plan: Plan, claim: Claim, t: Truth, outcome: str, within: bool) -> float:
    """True value of the claim's own effect in SD (for rescue of arm − disease − threshold × deficit)."""
    if within:
        return 0.0 if claim.kind in NO_BENEFIT else t.d[outcome]
    return t.d[outcome] * sum(w * t.R[a] for a, w in plan.weights_of(claim).items())


def margin_in_sd(plan: Plan, claim: Claim, t: Truth, outcome: str) -> float:
    """The claim's margin in SD, NaN where it cannot be known without the SD of animals or a deficit."""
    margin = plan.margin_of(claim)
    if margin.kind == "deficit":
        return margin.value * t.d[outcome] if plan.deficit() else float("nan")
    return margin.value if margin.kind == "sd" else margin.value / t.spread[outcome].natural


def arms_now(plan: Plan, claim: Claim, t: Truth, outcome: str, within: bool) -> dict[str, int]:
    """Animals of each arm (or units) that the claim has now."""
    if within:
        return {"units": t.n[outcome, claim.contrast]}
    names: Sequence[str] = list(plan.weights_of(claim))
    if claim.kind in NO_BENEFIT and plan.margin_of(claim).kind == "deficit":
        names = list(dict.fromkeys([*names, *plan.deficit()]))
    return {a: t.n[outcome, a] for a in names}
