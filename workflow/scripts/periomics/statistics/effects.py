"""Standardised effects of two arms with intervals."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats
from scipy.optimize import brentq
from scipy.special import gammaln

# scipy's noncentral t gives NaN for some far noncentralities: the search stays where it does not.
REACH = 37.0


def hedges_correction(df: float) -> float:
    """Hedges' small-sample factor, exact form Γ(df/2) / (√(df/2) Γ((df−1)/2)) (1981 [from memory])."""
    return math.exp(gammaln(df / 2) - gammaln((df - 1) / 2)) / math.sqrt(df / 2)


def hedges_g(
    mean: tuple[float, float], var: tuple[float, float], n: tuple[float, float], level: float = 0.95
) -> tuple[float, float, float]:
    """Hedges' g of the first arm over the second with a noncentral-t interval.

    Parameters
    ----------
    mean, var, n
        Of the two arms; the variance is pooled.
    level
        Confidence level.

    Returns
    -------
    g, lower, upper
        NaN where an arm has fewer than two animals or nothing varies; an end is NaN where it lies out of reach.
    """
    df = n[0] + n[1] - 2
    if min(n) < 2:
        return (math.nan,) * 3
    pooled = (var[0] * (n[0] - 1) + var[1] * (n[1] - 1)) / df
    if not pooled > 0:
        return (math.nan,) * 3
    root = math.sqrt(n[0] * n[1] / (n[0] + n[1]))
    d = (mean[0] - mean[1]) / math.sqrt(pooled)
    j = hedges_correction(df)
    low, high = (_noncentrality(d * root, df, p) for p in (0.5 + level / 2, 0.5 - level / 2))
    return j * d, j * low / root, j * high / root


def risk_difference(
    events: tuple[int, int], n: tuple[int, int], level: float = 0.95
) -> tuple[float, float, float, float]:
    """Difference of two shares of animals with a score interval and Fisher's exact p-value.

    Parameters
    ----------
    events, n
        Animals with the event and animals in each of the two arms.
    level
        Confidence level.

    Returns
    -------
    difference, lower, upper, p
        Newcombe's hybrid of two Wilson intervals (1998 [from memory]) and Fisher's two-sided p-value. All but the difference
        are NaN with fewer than two animals in an arm.
    """
    shares = [k / m if m else math.nan for k, m in zip(events, n, strict=True)]
    difference = shares[0] - shares[1]
    if min(n) < 2:
        return difference, math.nan, math.nan, math.nan
    z = stats.norm.ppf(0.5 + level / 2)
    ends = []
    for p, m in zip(shares, n, strict=True):
        middle, half = (
            (p + z * z / (2 * m)) / (1 + z * z / m),
            z * math.sqrt(p * (1 - p) / m + z * z / (4 * m * m)) / (1 + z * z / m),
        )
        ends.append((middle - half, middle + half))
    lower = difference - math.hypot(shares[0] - ends[0][0], ends[1][1] - shares[1])
    upper = difference + math.hypot(ends[0][1] - shares[0], shares[1] - ends[1][0])
    p_value = stats.fisher_exact([[events[0], n[0] - events[0]], [events[1], n[1] - events[1]]]).pvalue
    return difference, lower, upper, float(p_value)


def _noncentrality(t: float, df: float, p: float) -> float:
    """Noncentrality at which P(T <= t) = p, or NaN where it is not found."""

    def gap(nc: float) -> float:
        # P(T <= t; nc) = P(T > -t; -nc): the tail in which scipy is steadier.
        value = stats.nct.cdf(t, df, nc) if t >= 0 else stats.nct.sf(-t, df, -nc)
        return float(value) - p

    low, high = max(t - 8, -REACH), min(t + 8, REACH)
    ends = gap(low), gap(high)
    if not all(np.isfinite(ends)) or ends[0] * ends[1] > 0:
        return math.nan
    root = brentq(gap, low, high, xtol=1e-10)
    return root if np.isfinite(gap(root)) else math.nan
