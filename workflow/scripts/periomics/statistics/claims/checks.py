"""What stands beside each contrast: permutation, ranks, effect size, Bayes factor, the largest residual. Never a verdict."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtr

from periomics.statistics.claims import animals as a
from periomics.statistics.claims.plan import Contrast, Plan
from periomics.statistics.kernels.bayes import bf01, ceiling, effective_n
from periomics.statistics.kernels.contrasts import Estimate
from periomics.statistics.kernels.dunnett import many_to_one
from periomics.statistics.kernels.effects import hedges_g
from periomics.statistics.kernels.ordinal import compare_ranks
from periomics.statistics.kernels.permutation import (
    DRAWS,
    draws_for,
    flip_signs,
    labellings,
    permute_two_arms,
    permute_unknown_direction,
)

COLUMNS = (
    "hedges_g",
    "g_lower",
    "g_upper",
    "perm_p",
    "perm_floor",
    "rank_effect",
    "rank_p",
    "p_dunnett",
    "bf01",
    "bf01_ceiling",
    "outlier_p",
)
UNKNOWN = "permutation estimates the direction of benefit each time"
DUNNETT_ARMS = 2


def two_arms(cut: a.Cut, contrast: Contrast) -> tuple[int, int] | None:
    """Places of the first and the second arm, where a contrast is first − second."""
    w = cut.weights(contrast.weights)
    plus, minus = np.flatnonzero(w > 0), np.flatnonzero(w < 0)
    return (int(plus[0]), int(minus[0])) if len(plus) == len(minus) == 1 else None


def checks(
    plan: Plan,
    contrast: Contrast,
    cut: a.Cut,
    form: Estimate,
    differences: np.ndarray,
    sign: float,
    toward_control: bool,
    rng: np.random.Generator,
) -> tuple[dict[str, float], str]:
    """Checks of one contrast on the outcome's scale.

    Parameters
    ----------
    plan, contrast, cut
        What is compared.
    form, differences
        The contrast's estimate, and within-unit differences where units hold several arms.
    sign
        Direction of benefit, NaN where none is declared.
    toward_control
        Whether better means nearer to healthy; then, without a declared direction, the permutation test estimates it each time.
    rng
        The contrast's own generator.

    Returns
    -------
    dict
        Values of `COLUMNS` that apply.
    str
        What the method column must say of them.
    """
    if contrast.trend and not cut.paired:
        return {"outlier_p": largest_residual(cut)}, ""
    if cut.paired:
        found = flip_signs(differences, rng)
        return {"perm_p": found.p, "perm_floor": found.floor} | _bayes(form, len(differences)), ""
    pair = two_arms(cut, contrast)
    if pair is None:
        return {"outlier_p": largest_residual(cut)}, ""
    mean, var, animals = ((x[pair[0]], x[pair[1]]) for x in cut.raw())
    g = hedges_g(mean, var, animals, level=1 - plan.alpha)
    out = dict(zip(("hedges_g", "g_lower", "g_upper"), map(float, g), strict=True))
    n = cut.raw().n[list(pair)]
    out |= _bayes(form, float(effective_n(n))) | {
        "outlier_p": largest_residual(cut),
        "p_dunnett": _dunnett(plan, cut, pair),
    }
    used = np.isin(cut.arm, pair) & ~np.isnan(cut.analysis)
    block = cut.block if all(cut.block[used]) else np.full(cut.block.shape, "")
    values, first = cut.analysis[used], cut.arm[used] == pair[0]
    draws = draws_for(len(values))
    # Drawing takes longest with many animals; one set then serves both tests.
    drawn = labellings(first, block[used], rng, draws=draws) if draws < DRAWS else None
    ranks = compare_ranks(values, first, block[used], rng, 1 - plan.alpha, draws=draws, drawn=drawn)
    out |= {"rank_effect": ranks.effect, "rank_p": ranks.p}
    if np.isnan(sign) and toward_control and (three := _with_healthy(plan, cut, pair)) is not None:
        found = permute_unknown_direction(cut.analysis[three[0]], three[1], block[three[0]], rng)
        return out | {"perm_p": found.p, "perm_floor": found.floor}, UNKNOWN
    found = permute_two_arms(values, first, block[used], rng, draws=draws, drawn=drawn)
    return out | {"perm_p": found.p, "perm_floor": found.floor}, ""


def _with_healthy(
    plan: Plan, cut: a.Cut, pair: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of treated, diseased and healthy animals and their codes 1, 0, 2, where the contrast is treated − diseased."""
    if (
        plan.healthy not in cut.arms
        or cut.arms[pair[1]] != plan.disease
        or cut.arms[pair[0]] == plan.healthy
    ):
        return None
    code = {pair[1]: 0, pair[0]: 1, cut.arms.index(plan.healthy): 2}
    rows = np.isin(cut.arm, list(code)) & ~np.isnan(cut.analysis)
    arm = np.array([code[int(i)] for i in cut.arm[rows]])
    return (rows, arm) if (arm == 2).any() else None


def _bayes(form: Estimate, effective: float) -> dict[str, float]:
    """Two-sided Bayes factor for no effect, and the most that these numbers allow it to say."""
    if np.isnan(form.se) or not effective > 1 or form.bounded:
        return {}
    t, df = float(form.estimate / form.se), float(form.df)
    return {"bf01": float(bf01(t, effective, df)), "bf01_ceiling": float(ceiling(effective, df))}


def _dunnett(plan: Plan, cut: a.Cut, pair: tuple[int, int]) -> float:
    """p adjusted over all treated arms against the diseased one, where the contrast is one of them."""
    arms = [cut.arms.index(t) for t in plan.treated if t in cut.arms]
    arms = [i for i in arms if (cut.arm == i).sum() >= a.MIN_UNITS]
    if cut.arms[pair[1]] != plan.disease or pair[0] not in arms or len(arms) < DUNNETT_ARMS:
        return np.nan
    if any(bound[[pair[1], *arms]].any() for bound in cut.without_events):
        return np.nan  # the family's p knows no bound
    return float(many_to_one(cut.summary(), pair[1], arms, None).p[arms.index(pair[0])])


def largest_residual(cut: a.Cut) -> float:
    """Two-sided p of Grubbs' statistic of the residual farthest from its arm, over all animals; a flag, no reason to drop it.

    Notes
    -----
    Grubbs' test, on residuals in SD pooled over arms; the pooled degrees of freedom take the place of n − 2.
    """
    raw = cut.raw()
    seen = ~np.isnan(cut.analysis)
    free = float(np.where(raw.n > 1, raw.n - 1, 0).sum())
    pooled = (
        float(np.where(raw.n > 1, raw.var * (raw.n - 1), 0).sum() / free) if free > 2 else np.nan
    )
    if not pooled > 0:
        return np.nan
    size = raw.n[cut.arm]
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.abs(cut.analysis - raw.mean[cut.arm]) / np.sqrt(pooled * (1 - 1 / size))
    r = float(np.nanmax(np.where(seen & (size > 1), r, np.nan), initial=0.0))
    # A residual in the pooled SD holds itself: r² / free is a beta variable, which t has without it.
    if r * r >= free:
        return 0.0
    t = r * np.sqrt((free - 1) / (free - r * r))
    return float(min(2 * stdtr(free - 1, -t) * seen.sum(), 1.0))
