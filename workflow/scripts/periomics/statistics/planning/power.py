"""Power by formula: two arms or within-unit differences, normal values, equal true variances, fixed margins.

All effects and margins are in SD between animals (or SD of the differences within units) and benefit-signed. The functions of two arms
give the power of the group-wise variances with Satterthwaite degrees of freedom that judge a study; those named `pooled` that of the
textbook's t test, which is a little larger (at 6 an arm by .02 to .03).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

LARGEST_EFFECT = 50.0
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_FEW_NODES, _FEW_WEIGHTS = np.polynomial.legendre.leggauss(64)
Floats = NDArray[np.float64]


@cache
def _errors(n1: float, n2: float, quantile: float) -> tuple[Floats, Floats]:
    """Half widths of intervals in SD over the two estimated variances, and the probability of each, by Gauss–Legendre."""
    ratios, weights = [], []
    for n in (n1, n2):
        low, high = stats.chi.ppf([1e-12, 1 - 1e-12], n - 1)
        x = (high - low) / 2 * _FEW_NODES + (high + low) / 2
        ratios.append(x**2 / (n - 1))
        weights.append((high - low) / 2 * _FEW_WEIGHTS * stats.chi.pdf(x, n - 1))
    a, b = ratios[0][:, None] / n1, ratios[1][None, :] / n2
    df = (a + b) ** 2 / (a**2 / (n1 - 1) + b**2 / (n2 - 1))
    joint = weights[0][:, None] * weights[1][None, :]
    return stats.t.ppf(quantile, df) * np.sqrt(a + b), joint / joint.sum()


def superiority(effect: float, n1: float, n2: float, alpha: float) -> float:
    """Probability that the two-sided interval at 1 − alpha of a difference of two arms lies above 0.

    Parameters
    ----------
    effect
        True difference in SD.
    n1, n2
        Animals an arm, at least 2 each.
    alpha
        Two-sided level; the upper side counts, as a claim has a direction.

    Notes
    -----
    Given the two estimated variances the estimate is normal and the interval's half width known; the normal probability is
    integrated over both chi-squared distributions.
    """
    if min(n1, n2) < 2:
        return 0.0
    half, weight = _errors(n1, n2, 1 - alpha / 2)
    return _probability(weight * stats.norm.cdf((effect - half) / np.sqrt(1 / n1 + 1 / n2)))


def non_superiority(margin: float, effect: float, n1: float, n2: float, alpha: float) -> float:
    """Probability that the one-sided upper bound at 1 − alpha lies below a fixed margin."""
    return superiority(margin - effect, n1, n2, 2 * alpha)


def equivalence(margin: float, effect: float, n1: float, n2: float, alpha: float) -> float:
    """Probability that both one-sided tests at alpha place a difference inside ± a fixed margin."""
    if min(n1, n2) < 2 or margin <= 0:
        return 0.0
    half, weight = _errors(n1, n2, 1 - alpha)
    room, se = np.maximum(margin - half, 0.0), np.sqrt(1 / n1 + 1 / n2)
    return _probability(
        weight * (stats.norm.cdf((room - effect) / se) - stats.norm.cdf((-room - effect) / se))
    )


def _probability(parts: Floats) -> float:
    return min(max(float(parts.sum()), 0.0), 1.0)


def pooled_superiority(effect: float, n1: float, n2: float, alpha: float) -> float:
    """As `superiority`, with the variance pooled over both arms (noncentral t)."""
    return _upper_tail(effect / np.sqrt(1 / n1 + 1 / n2), n1 + n2 - 2, 1 - alpha / 2)


def within(effect: float, n: float, alpha: float) -> float:
    """Power of the mean of n within-unit differences (noncentral t); `effect` in SD of the differences."""
    return _upper_tail(effect * np.sqrt(n), n - 1, 1 - alpha / 2)


def pooled_non_superiority(
    margin: float, effect: float, n1: float, n2: float, alpha: float
) -> float:
    """As `non_superiority`, with the variance pooled over both arms."""
    return pooled_superiority(margin - effect, n1, n2, 2 * alpha)


def pooled_equivalence(margin: float, effect: float, n1: float, n2: float, alpha: float) -> float:
    """As `equivalence`, with the variance pooled over both arms.

    Notes
    -----
    Given the ratio u of estimated to true SD the estimate must lie within ± (margin − t se u); the normal probability of that is
    integrated over the distribution of u (chi with its degrees of freedom) by Gauss–Legendre.
    """
    se, df = np.sqrt(1 / n1 + 1 / n2), n1 + n2 - 2
    if df <= 0 or margin <= 0:
        return 0.0
    t = stats.t.ppf(1 - alpha, df)
    scale = np.sqrt(df)
    low, high = (float(stats.chi.ppf(q, df)) / scale for q in (1e-14, 1 - 1e-14))
    high = min(high, margin / (se * t))
    if high <= low:
        return 0.0
    u = (high - low) / 2 * _NODES + (high + low) / 2
    room = margin - t * se * u
    inside = stats.norm.cdf((room - effect) / se) - stats.norm.cdf((-room - effect) / se)
    return float(
        (high - low) / 2 * (_WEIGHTS * inside * stats.chi.pdf(u * scale, df) * scale).sum()
    )


def _upper_tail(shift: float, df: float, quantile: float) -> float:
    if df <= 0:
        return 0.0
    t = float(stats.t.ppf(quantile, df))
    found = float(stats.nct.sf(t, df, shift))
    if np.isnan(found):  # some far tails of the noncentral t come out as NaN
        return 1.0 if shift > t else 0.0
    return min(max(found, 0.0), 1.0)


def detectable(power: Callable[[float], float], wanted: float) -> float:
    """Smallest effect (or margin) of at most `LARGEST_EFFECT` whose power is `wanted`, NaN where there is none."""
    if power(LARGEST_EFFECT) < wanted:
        return float("nan")
    return (
        float(optimize.brentq(lambda x: power(x) - wanted, 0.0, LARGEST_EFFECT, xtol=1e-10))
        if power(0.0) < wanted
        else 0.0
    )


def needed(power: Callable[[int], float], wanted: float, limit: int) -> float:
    """Fewest animals per arm (from 2 to `limit`) with the wanted power, NaN where even the limit does not suffice."""
    low, high = 1, limit
    if power(high) < wanted:
        return float("nan")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= wanted else (middle, high)
    return float(high)
