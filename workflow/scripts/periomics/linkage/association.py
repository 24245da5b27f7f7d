"""Do scores track outcomes in the same units, beyond what arms make of both?

Scores and outcomes are centred within arm (or, for cultures, within isolation) before they are correlated: pooled correlation
rediscovers the arms. The test permutes outcomes within these strata; the interval is Fisher's z with the degrees of freedom
that centring leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial, prod

import numpy as np
from scipy import stats

COLUMNS = (
    "outcome",
    "score_id",
    "r",
    "lower",
    "upper",
    "p",
    "p_adj",
    "n",
    "family",
    "method",
    "adjusted_for",
    "p_floor",
    "r_pooled",
    "reason",
)
MIN_UNITS = 12
_BATCH = 4096


@dataclass(frozen=True)
class Association:
    """Correlation within strata with interval, permutation p and its floor; `reason` says why a number is missing."""

    r: float
    lower: float
    upper: float
    p: float
    p_floor: float
    n: int
    r_pooled: float
    reason: str = ""


def centre(values: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Values minus the mean of their stratum (n,) or (k, n) along the last axis."""
    out = np.array(values, dtype=float)
    for label in np.unique(strata):
        inside = strata == label
        out[..., inside] -= out[..., inside].mean(axis=-1, keepdims=True)
    return out


def correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson correlation of centred values along the last axis; missing where one does not vary."""
    top = (x * y).sum(axis=-1)
    bottom = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(bottom > 1e-12, top / bottom, np.nan)


def within(
    x: np.ndarray,
    y: np.ndarray,
    strata: np.ndarray,
    seed_rng: np.random.Generator,
    n_permutations: int = 9999,
    min_units: int = MIN_UNITS,
) -> Association:
    """Association of two variables within strata.

    Parameters
    ----------
    x, y
        Score and outcome (n,), on the scale on which a line is sensible.
    strata
        Arm (or isolation) of every unit.
    seed_rng
        Generator of the permutations.
    n_permutations
        Permutations of y within strata; p = (b + 1) / (m + 1).
    min_units
        Below this number only r is given.

    Notes
    -----
    Strata with one unit hold no information and are left out.
    """
    labels, counts = np.unique(strata, return_counts=True)
    keep = np.isin(strata, labels[counts > 1])
    x, y, strata = np.asarray(x, float)[keep], np.asarray(y, float)[keep], np.asarray(strata)[keep]
    n, groups = len(x), len(np.unique(strata))
    missing = float("nan")
    if n < 4 or n - groups < 3:
        return Association(
            r=missing,
            lower=missing,
            upper=missing,
            p=missing,
            p_floor=missing,
            n=n,
            r_pooled=missing,
            reason="too few units that share both",
        )
    pooled = float(correlation(x - x.mean(), y - y.mean()))
    cx, cy = centre(x, strata), centre(y, strata)
    r = float(correlation(cx, cy))
    if np.isnan(r):
        return Association(
            r=missing,
            lower=missing,
            upper=missing,
            p=missing,
            p_floor=missing,
            n=n,
            r_pooled=pooled,
            reason="score or outcome does not vary within arms",
        )
    sizes = [int((strata == g).sum()) for g in np.unique(strata)]
    floor = max(1 / (n_permutations + 1), 1 / prod(factorial(s) for s in sizes))
    lower, upper = fisher_interval(r, n - groups)
    if n < min_units:
        return Association(
            r=r,
            lower=lower,
            upper=upper,
            p=missing,
            p_floor=floor,
            n=n,
            r_pooled=pooled,
            reason=f"no test below {min_units} units that share both",
        )
    p = permutation_p(cx, cy, strata, r, seed_rng, n_permutations)
    return Association(r=r, lower=lower, upper=upper, p=p, p_floor=floor, n=n, r_pooled=pooled)


def fisher_interval(r: float, df: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a correlation with `df` = units − strata degrees of freedom (z with variance 1 / (df − 2))."""
    if df < 3:
        return float("nan"), float("nan")
    z = np.arctanh(np.clip(r, -0.999999999, 0.999999999))
    half = stats.norm.ppf(0.5 + level / 2) / np.sqrt(df - 2)
    return float(np.tanh(z - half)), float(np.tanh(z + half))


def permutation_p(
    cx: np.ndarray,
    cy: np.ndarray,
    strata: np.ndarray,
    r: float,
    rng: np.random.Generator,
    n_permutations: int,
) -> float:
    """Two-sided p of |r| against permutations of centred y within strata, (b + 1) / (m + 1)."""
    beyond, done = 0, 0
    while done < n_permutations:
        m = min(_BATCH, n_permutations - done)
        shuffled = np.empty((m, len(cy)))
        for label in np.unique(strata):
            inside = np.flatnonzero(strata == label)
            order = rng.random((m, len(inside))).argsort(axis=1)
            shuffled[:, inside] = cy[inside][order]
        beyond += int((np.abs(correlation(cx[None, :], shuffled)) >= abs(r) - 1e-12).sum())
        done += m
    return (beyond + 1) / (n_permutations + 1)
