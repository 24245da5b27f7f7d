"""The noncentral t distribution, for sizes and margins in standard deviations."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.optimize.elementwise import find_root

Floats = NDArray[np.float64]
# Nodes of the integral behind the noncentral t, and how many standard normal units it reaches.
NODES, REACH = 120, 9.5
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(NODES)
TINY = 1e-20
# Secant steps from scipy's noncentrality (right to about 1e-5), and how near they must come.
STEPS, SETTLED = 4, 1e-10


def noncentral_t_cdf(t: ArrayLike, df: ArrayLike, nc: ArrayLike) -> Floats:
    """P(T ≤ t) of a noncentral t variable.

    Parameters
    ----------
    t, df, nc
        Broadcast; df > 0, any finite t and nc.

    Returns
    -------
    ndarray
        Never NaN for finite input; absolute error below 1e-9 for df ≥ 2 and |t|, |nc| up to 100 (tests/peers).

    Notes
    -----
    T ≤ t is Z + nc ≤ t s with Z normal and s = χ(df)/√df, that is nc ≤ t s − Z: as a function of nc a survival function. It is
    integrated by Gauss and Legendre over s where t is small beside the spread of 1/s, else over Z, so that the integrand is
    never steep. `scipy.stats.nct.cdf` (1.17) gives NaN for far noncentralities.
    """
    at, k, shift = np.broadcast_arrays(*(np.asarray(x, float) for x in (t, df, nc)))
    flip = at < 0
    at, shift = np.abs(at), np.where(flip, -shift, shift)
    with np.errstate(under="ignore"):
        p, small = np.empty(at.shape), at < np.sqrt(2 * k)
        for part, integral in ((small, _over_scale), (~small, _over_normal)):
            p[part] = integral(at[part], k[part], shift[part])
    p = np.clip(p, 0, 1)
    return np.where(flip, 1 - p, p)


def _over_scale(t: Floats, df: Floats, nc: Floats) -> Floats:
    """∫ Φ(t s − nc) f(s) ds over the central part of s = χ(df)/√df."""
    low, high = (np.sqrt(special.chdtri(df, q) / df) for q in (1 - TINY, TINY))
    half = (high - low)[..., None] / 2
    s = low[..., None] + half * (POINTS + 1)
    k = df[..., None]
    log_density = (
        np.log(2)
        + k / 2 * np.log(k / 2)
        - special.gammaln(k / 2)
        + (k - 1) * np.log(s)
        - k * s**2 / 2
    )
    return (
        half * WEIGHTS * np.exp(log_density) * special.ndtr(t[..., None] * s - nc[..., None])
    ).sum(axis=-1)


def _over_normal(t: Floats, df: Floats, nc: Floats) -> Floats:
    """P(Z ≤ −nc) + ∫ φ(z) P(s ≥ (nc + z)/t) dz over z > −nc."""
    low = np.clip(-nc, -REACH, REACH)
    half = (REACH - low)[..., None] / 2
    z = low[..., None] + half * (POINTS + 1)
    ratio = np.maximum(nc[..., None] + z, 0) / t[..., None]
    tail = special.chdtrc(df[..., None], df[..., None] * ratio**2)
    return special.ndtr(low) + (
        half * WEIGHTS * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * tail
    ).sum(axis=-1)


def noncentrality_interval(
    t: ArrayLike, df: ArrayLike, level: ArrayLike = 0.95, upper: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Noncentralities of which the observed t is the upper and the lower percentile; finite for every finite t.

    `upper` is the level of the upper end where it is not that of the lower one.
    """
    t, df, low, high = np.broadcast_arrays(
        *(np.asarray(x, float) for x in (t, df, level, level if upper is None else upper))
    )
    return _noncentrality(t, df, 0.5 + low / 2), _noncentrality(t, df, 0.5 - high / 2)


def _noncentrality(t: Floats, df: Floats, p: Floats) -> Floats:
    """Noncentrality at which P(T ≤ t) is p."""
    with np.errstate(all="ignore"):
        a = np.asarray(special.nctdtrinc(df, p, t), float)
        b = a + 1e-3
        fa, fb = (noncentral_t_cdf(t, df, np.nan_to_num(x)) - p for x in (a, b))
        for _ in range(STEPS):
            c = np.where(fb == fa, b, b - fb * (b - a) / (fb - fa))
            a, fa, b = b, fb, c
            fb = noncentral_t_cdf(t, df, np.nan_to_num(c)) - p
    wrong = ~(np.abs(fb) < SETTLED) & np.isfinite(t) & np.isfinite(df)
    if wrong.any():
        b = np.array(b)
        b[wrong] = _searched(t[wrong], df[wrong], p[wrong])
    return np.where(np.isfinite(t) & np.isfinite(df), b, np.nan)


def _searched(t: Floats, df: Floats, p: Floats) -> Floats:
    """The same by bracketing, where scipy's start leads nowhere."""
    low, high = (np.sqrt(special.chdtri(df, q) / df) for q in (1 - 1e-12, 1e-12))
    start = np.minimum(t * low, t * high) - REACH, np.maximum(t * low, t * high) + REACH
    return find_root(lambda nc, t, df, p: noncentral_t_cdf(t, df, nc) - p, start, args=(t, df, p)).x
