"""Bayes factor of no effect (JZS) of two arms, with the most that the group sizes allow it to say."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from periomics.statistics.kernels.contrasts import Floats

# Width of the Cauchy prior on the standardised difference: the "medium" default of the literature (√2/2).
WIDTH = 0.707
# The prior is a normal of variance r²/z², z half normal: nodes of log z for the trapezoid rule, which converges fast on it.
LOG_Z = np.arange(-18.0, 3.0, 0.1)


def effective_n(n: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """Animals of one sample that would give the contrast's precision: 1 / Σ w²/n, for two arms n₁n₂/(n₁+n₂).

    Parameters
    ----------
    n
        Animals in each arm, last axis.
    weights
        Of the arms, default (1, −1); arms of weight 0 take no part.

    Returns
    -------
    ndarray
        Shape of the leading axes; NaN where an arm with a weight is empty.
    """
    n = np.asarray(n, float)
    w = np.broadcast_to(np.asarray((1.0, -1.0) if weights is None else weights, float), n.shape)
    used = w != 0
    share = np.where(used, w**2 / np.where(used & (n > 0), n, np.nan), 0.0)
    return 1 / share.sum(axis=-1)


def bf01(
    t: ArrayLike,
    effective: ArrayLike,
    df: ArrayLike,
    *,
    improvement_only: bool = False,
    width: float = WIDTH,
) -> Floats:
    """Bayes factor of "no difference" against a Cauchy prior on the standardised difference.

    Parameters
    ----------
    t
        t statistic, positive for improvement; ±inf gives the limit.
    effective
        `effective_n` of the two arms.
    df
        Degrees of freedom of t. With n₁ + n₂ − 2 and the pooled variance this is the textbook factor; with a t from group-wise
        variances and Satterthwaite's df it is an approximation, equal where variances and sizes are.
    improvement_only
        The alternative allows improvement only (half Cauchy).
    width
        Scale r of the prior.

    Returns
    -------
    ndarray
        Broadcast shape; above 1 the data speak for no difference. NaN where t, size or df is NaN. It may underflow to 0.

    Notes
    -----
    The Bayes factor of t with a Cauchy prior: given g, the difference is normal with variance r²g in units of
    the common SD. The one-sided factor multiplies the two-sided one, inside the integral over g, by 2 P(difference > 0 | data, g),
    which is a t distribution function on df + 1.
    """
    t, size, df = (
        x[..., None]
        for x in np.broadcast_arrays(*(np.asarray(x, float) for x in (t, effective, df)))
    )
    z = np.exp(LOG_Z)
    with np.errstate(under="ignore", over="ignore", invalid="ignore", divide="ignore"):
        spread = size * width**2 / z**2
        x = t**2 / df
        q = np.where(np.isinf(x), 1.0, x / (1 + x))
        # (1 + x) / (1 + x / (1 + spread)), in a form that holds for infinite t
        ratio = 1 / ((1 - q) + q / (1 + spread))
        log_bf = LOG_Z - z**2 / 2 - np.log1p(spread) / 2 + (df + 1) / 2 * np.log(ratio)
        if improvement_only:
            shift = np.sign(t) * np.sqrt(spread / (1 + spread) * (df + 1) * q * ratio)
            log_bf = log_bf + np.log(2) + _log_t_cdf(shift, df + 1)
        step = np.sqrt(2 / np.pi) * (LOG_Z[1] - LOG_Z[0])
        return np.exp(-special.logsumexp(log_bf, axis=-1)) / step


def _log_t_cdf(x: Floats, df: Floats) -> Floats:
    """Logarithm of the t distribution function; the lower tail by the incomplete beta function's series, which cannot underflow."""
    y = df / (df + x**2)
    a = df / 2
    beyond = (x < 0) & (y < 0.5)
    y = np.where(beyond, y, 0.25)
    series = special.hyp2f1(a + 0.5, 1, a + 1, y)
    tail = (
        a * np.log(y) + np.log1p(-y) / 2 - np.log(2 * a) - special.betaln(a, 0.5) + np.log(series)
    )
    return np.where(beyond, tail, np.log(special.stdtr(df, np.where(beyond, 0.0, x))))


def ceiling(
    effective: ArrayLike, df: ArrayLike, *, improvement_only: bool = False, width: float = WIDTH
) -> Floats:
    """Largest BF01 that these group sizes can give.

    Two-sided it is reached at t = 0 (2.0/2.1/2.3/2.5/2.9/3.2 at n = 5/6/8/10/15/20 an arm). For improvement only it grows as t falls;
    the value is the limit at t = −∞.
    """
    return bf01(
        -np.inf if improvement_only else 0.0,
        effective,
        df,
        improvement_only=improvement_only,
        width=width,
    )
