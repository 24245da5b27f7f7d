"""The healing index: benefit-signed z of the outcomes, mean in each domain, then over domains, with its sensitivity."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from periomics.statistics.claims.analysis import Analysis
from periomics.statistics.claims.exact import KINDS
from periomics.statistics.claims.plan import Plan
from periomics.statistics.kernels.contrasts import Floats, summarise
from periomics.study.claims import COMPOSITE
from periomics.study.design import estimable
from periomics.study.dictionary import entry

# Fewer animals than this, in all arms together beyond their means, cannot scale an outcome.
LEAST_FREE = 3


def z_scores(
    values: ArrayLike, arm: ArrayLike, n_arms: int, sign: ArrayLike, disease: int
) -> Floats:
    """Benefit-signed z against the diseased mean in the SD of all animals together.

    Parameters
    ----------
    values
        Shape (..., outcomes, animals) on the outcomes' scales; NaN is missing.
    arm
        Index of each animal's arm, shape (animals,).
    n_arms, disease
        Number of arms, and the index of the diseased one.
    sign
        +1 or −1, shape (outcomes,).

    Returns
    -------
    array (..., outcomes, animals)
        NaN where a value is missing, or where the outcome has no diseased animal or does not vary within arms.
    """
    values = np.asarray(values, float)
    mean, scale = summarise(values, arm, n_arms).mean, overall_sd(values, arm, n_arms)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            np.asarray(sign, float)[:, None]
            * (values - mean[..., disease, None])
            / scale[..., None]
        )


def overall_sd(values: ArrayLike, arm: ArrayLike, n_arms: int) -> Floats:
    """SD of each outcome over all animals, blind to arms, shape (..., outcomes); NaN where it does not vary within arms.

    Notes
    -----
    An SD within arms is small just when the index's own residuals are, so that its tests err too often: in .060 to .071 at .05 with
    four to six animals per arm where the diseased arm varies two or three times as much, five outcomes, against .051 to .055 with
    this one (docs/statistics.md; Läuter's spherical tests).
    """
    values = np.asarray(values, float)
    arms = summarise(values, arm, n_arms)
    seen = ~np.isnan(values) & (np.asarray(arm) >= 0)
    n = seen.sum(axis=-1)
    free = np.where(arms.n > 1, arms.n - 1, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        within = np.where(free > 0, arms.var * free, 0.0).sum(axis=-1) / free.sum(axis=-1)
        usable = (free.sum(axis=-1) >= LEAST_FREE) & (
            within > 1e-24 * np.nanmax(np.abs(arms.mean), axis=-1, initial=0) ** 2
        )
        centre = np.where(seen, values, 0.0).sum(axis=-1) / n
        total = np.where(seen, values - centre[..., None], 0.0)
        return np.where(usable, np.sqrt((total**2).sum(axis=-1) / (n - 1)), np.nan)


def healing_index(
    z: ArrayLike, domain: ArrayLike, min_domains: float, weights: ArrayLike | None = None
) -> Floats:
    """Mean over domains of the mean z in each domain.

    Parameters
    ----------
    z
        Shape (..., outcomes, animals).
    domain
        Index of each outcome's domain, shape (outcomes,).
    min_domains
        Share of the domains that an animal needs; with fewer its index is NaN.
    weights
        Weight of each domain; equal where not given. Domains that an animal lacks leave the others their proportion.

    Returns
    -------
    array (..., animals)
    """
    scores = domain_scores(z, domain)
    count = scores.shape[-2]
    w = np.full(count, 1 / max(count, 1)) if weights is None else np.asarray(weights, float)
    seen = ~np.isnan(scores)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = (np.where(seen, scores, 0.0) * w[:, None]).sum(axis=-2)
        share = (seen * w[:, None]).sum(axis=-2)
        enough = seen.sum(axis=-2) >= min_domains * count - 1e-9
        return np.where(enough & (share > 0), total / share, np.nan)


def domain_scores(z: ArrayLike, domain: ArrayLike) -> Floats:
    """Mean z of each domain, shape (..., domains, animals); NaN where an animal has none of its outcomes."""
    z, domain = np.asarray(z, float), np.asarray(domain, int)
    parts = []
    for d in range(int(domain.max(initial=-1)) + 1):
        part = z[..., domain == d, :]
        seen = ~np.isnan(part)
        with np.errstate(invalid="ignore", divide="ignore"):
            parts.append(
                np.where(seen, part, 0.0).sum(axis=-2)
                / np.where(seen.any(axis=-2), seen.sum(axis=-2), np.nan)
            )
    return np.stack(parts, axis=-2) if parts else np.empty((*z.shape[:-2], 0, z.shape[-1]))


def first_component(scores: ArrayLike, arm: ArrayLike) -> Floats:
    """Weights of domains by the first principal component within arms, not below 0, summing to 1; equal where there is none.

    Arms are centred first, so that the weights cannot follow the effect that the index is to show.
    """
    scores, arm = np.asarray(scores, float), np.asarray(arm, int)
    count = len(scores)
    centred = scores.copy()
    for g in np.unique(arm):
        inside = arm == g
        part = centred[:, inside]
        seen = ~np.isnan(part)
        means = np.where(seen, part, 0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        centred[:, inside] = part - means[:, None]
    whole = centred[:, ~np.isnan(centred).any(axis=0)]
    if count < 2 or whole.shape[1] <= count:
        return np.full(count, 1 / max(count, 1))
    vector = np.linalg.eigh(whole @ whole.T)[1][:, -1]
    vector = np.maximum(vector * np.sign(vector.sum() or 1.0), 0.0)
    return vector / vector.sum()


def with_index(analysis: Analysis) -> Analysis:
    """An analysis with the rows of the healing index, outcome `hi`, added.

    Parameters
    ----------
    analysis
        Its plan names the outcomes, the diseased arm and the share of domains needed. Each animal enters with its last
        time of each outcome, default variant.

    Returns
    -------
    Analysis
        Unchanged where the config names no diseased arm, or fewer than two outcomes with a direction are measured. Variants:
        `without=<domain>` for each domain left out, `weights=pca` for weights by the first component within arms.
    """
    plan, animals = analysis.plan, analysis.animals
    if not plan.disease or (animals["outcome"] == COMPOSITE).any():
        return analysis
    members, note = _members(analysis)
    rows = animals[
        animals["outcome"].isin(members)
        & (animals["variant"] == "")
        & (animals["unit_of_analysis"] == "animal")
    ]
    parts = [
        _index(analysis.of(part), members, note, time)
        for time, part in _kills(rows)
        if len(members) > 1 and (part["condition"] == plan.disease).any()
    ]
    if not parts:
        return analysis
    return analysis.of(pd.concat([animals, *parts], ignore_index=True))


def _kills(rows: pd.DataFrame) -> list[tuple[float, pd.DataFrame]]:
    """Animals by the time of their last measurement where every arm has two or more at each; else all together, time NaN."""
    last = rows.groupby("animal_id")["time"].transform("max")
    count = rows.groupby([last, "condition"])["animal_id"].nunique().unstack(fill_value=0)
    if len(count) > 1 and (count >= 2).all(axis=None):
        return [(float(t), rows[last == t]) for t in count.index]
    return [(np.nan, rows)]


def _index(analysis: Analysis, members: list[str], note: str, time: float) -> pd.DataFrame:
    """Rows of the index and its variants for the animals of one kill."""
    plan = analysis.plan
    last = analysis.animals.sort_values("time", kind="stable", na_position="first")
    last = last.drop_duplicates(["outcome", "animal_id"], keep="last")
    wide = last.pivot(index="animal_id", columns="outcome", values="analysis").reindex(
        columns=members
    )
    facts = last.drop_duplicates("animal_id").set_index("animal_id").reindex(wide.index)
    facts["time"], facts["scale_note"] = time, note
    facts["time_unit"] = facts["time_unit"] if time == time else ""
    arms = sorted(set(facts["condition"]))
    arm = facts["condition"].map({a: i for i, a in enumerate(arms)}).to_numpy(int)
    sign = [analysis.direction(o) for o in members]
    domains = [_domain(analysis, o) for o in members]
    names = list(dict.fromkeys(domains))
    place = np.array([names.index(d) for d in domains])
    z = z_scores(wide.to_numpy(float).T, arm, len(arms), sign, arms.index(plan.disease))
    out = {"": healing_index(z, place, plan.min_domains)}
    for i, name in enumerate(names):
        if len(names) > 2:
            left = place != i
            fewer = np.unique(place[left], return_inverse=True)[1]
            out[f"without={name}"] = healing_index(z[left], fewer, plan.min_domains)
    weights = first_component(domain_scores(z, place), arm)
    out["weights=pca"] = healing_index(z, place, plan.min_domains, weights)
    return pd.concat([_rows(facts, v, y) for v, y in out.items()], ignore_index=True)


def _members(analysis: Analysis) -> tuple[list[str], str]:
    """Outcomes that enter the index, and which were left out although measured, and why."""
    plan, animals = analysis.plan, analysis.animals
    kept, left = [], []
    for outcome in plan.composite:
        rows = animals[(animals["outcome"] == outcome) & (animals["variant"] == "")]
        if rows.empty:
            continue
        if entry(analysis.dictionary, outcome)["kind"] in KINDS or np.isnan(
            analysis.direction(outcome)
        ):
            left.append(f"{outcome} left out: no declared direction, yes or no, or grades")
        elif _mixed_up(plan, rows):
            left.append(f"{outcome} left out: batch and arm cannot be told apart")
        else:
            kept.append(outcome)
    return kept, "; ".join(left)


def _mixed_up(plan: Plan, rows: pd.DataFrame) -> bool:
    """Whether batches keep some arm from being compared with the diseased one."""
    design = rows[["condition", "batch"]].set_axis(["arm", "batch"], axis=1)
    if (design["batch"] == "").any() or design["batch"].nunique() in (1, len(design)):
        return False
    others = set(design["arm"]) - {plan.disease}
    return plan.disease in set(design["arm"]) and not all(
        estimable(design, {a: 1.0, plan.disease: -1.0}) for a in others
    )


def _domain(analysis: Analysis, outcome: str) -> str:
    declared = {o: d for d, o in analysis.plan.domains.items()}
    return declared.get(outcome, str(entry(analysis.dictionary, outcome)["domain"]))


def _rows(facts: pd.DataFrame, variant: str, index: Floats) -> pd.DataFrame:
    seen = ~np.isnan(index)
    own = {
        "outcome": COMPOSITE,
        "variant": variant,
        "value": index,
        "analysis": index,
        "unit": "SD",
        "scale": "identity",
        "least": -np.inf,
        "most": np.inf,
        "means": "",
        "modality": "outcomes",
        "source": "measured",
        "batch": "",
        "numerator": np.nan,
        "denominator": np.nan,
        "denominator_unit": "",
        "n_sections": 0,
        "n_fields": 0,
    }
    return facts.reset_index().assign(**own)[seen]
