"""Dispersions of counts: each gene's own, their trend over mean counts, and both together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.interpolate import CubicHermiteSpline

from periomics.genes.negative_binomial import (
    LEAST_DISPERSION,
    LEAST_MEAN,
    fit_dispersions,
    fit_means,
)

Floats = NDArray[np.float64]

SEEN = 100 * LEAST_DISPERSION
"""Dispersions below this say nothing of the trend."""
LEAST_PRIOR = 0.25
OUTLIER = 2.0
FEW = 3
EDGES = np.arange(-20, 21) / 2
DRAWS = 10_000


@dataclass(frozen=True)
class Dispersions:
    """Dispersions of all genes.

    Attributes
    ----------
    own
        Of each gene alone.
    trend
        What genes of its mean have.
    prior
        Variance of log dispersions around the trend.
    used
        The most likely given both; a gene's own where that lies far above the trend.
    coefficients
        (a0, a1) of the trend a0 + a1 / mean; None where a smooth line took its place.
    spread
        Robust variance of log(own / trend).
    """

    own: Floats
    trend: Floats
    prior: float
    used: Floats
    coefficients: tuple[float, float] | None
    spread: float


def own_dispersions(counts: Floats, matrix: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """Dispersion of each gene alone by adjusted likelihood, and the expected counts it rests on.

    Notes
    -----
    The climb starts at the smaller of two moment estimates. As in DESeq2, genes that vary less than Poisson by moments stay at
    the least dispersion: there the likelihood has no slope.
    """
    samples, p = matrix.shape
    most = max(10.0, samples)
    normal = counts / scale
    basis = np.linalg.qr(matrix)[0]
    line = normal @ basis @ basis.T
    held = np.maximum(line, 1.0)
    rough = np.maximum(np.sum(((normal - held) ** 2 - held) / held**2, axis=1) / (samples - p), 0)
    mean, variance = normal.mean(axis=1), normal.var(axis=1, ddof=1)
    moments = (variance - np.mean(1 / scale.mean(axis=0)) * mean) / mean**2
    start = np.clip(np.minimum(rough, moments), LEAST_DISPERSION, most)
    is_group_mean = len(np.unique(matrix, axis=0)) == p
    expected = line * scale if is_group_mean else fit_means(counts, matrix, scale, start).mean
    expected = np.maximum(expected, LEAST_MEAN)
    found, gain = fit_dispersions(counts, expected, matrix, start)
    found = np.where(gain < 1e-6, start, np.minimum(found, most))
    return np.clip(found, LEAST_DISPERSION, most), expected


def parametric_trend(mean: Floats, dispersion: Floats) -> tuple[float, float] | None:
    """(a0, a1) of dispersion = a0 + a1 / mean by a gamma regression without genes far off it; None where there is none.

    Notes
    -----
    Fitted again until the coefficients stay, each time with the genes whose dispersion is 1e-4 to 15 times that of the fit.
    """
    design = np.column_stack([np.ones(len(mean)), 1 / mean])
    old = np.array([0.1, 1.0])
    for _ in range(11):
        ratio = dispersion / (design @ old)
        good = (ratio > 1e-4) & (ratio < 15)
        if good.sum() < 3:
            return None
        new = _gamma_regression(design[good], dispersion[good], old)
        if new is None or not (new > 0).all():
            return None
        if np.sum(np.log(new / old) ** 2) < 1e-6:
            return float(new[0]), float(new[1])
        old = new
    return None


def _gamma_regression(design: Floats, y: Floats, start: Floats) -> Floats | None:
    """Gamma regression with an identity link by iterated weighted least squares; None where it does not settle."""

    def deviance(at: Floats) -> float:
        mu = design @ at
        return float(2 * np.sum(y / mu - 1 - np.log(y / mu))) if (mu > 0).all() else np.inf

    at, old = start, deviance(start)
    for _ in range(25):
        weight = 1 / (design @ at) ** 2
        gram = design.T @ (design * weight[:, None])
        new = np.asarray(np.linalg.solve(gram, design.T @ (weight * y)), np.float64)
        now = deviance(new)
        for _ in range(25):
            if np.isfinite(now):
                break
            new = (new + at) / 2
            now = deviance(new)
        if not np.isfinite(now):
            return None
        at = new
        if abs(now - old) < 1e-8 * (abs(now) + 0.1):
            return at
        old = now
    return None


def prior_variance(ratio: Floats, freedom: int) -> tuple[float, float]:
    """Variance of true log dispersions around the trend, and the robust variance of the estimated ones.

    Parameters
    ----------
    ratio
        log(own / trend) of genes whose own dispersion is more than nothing.
    freedom
        Residual degrees of freedom.

    Notes
    -----
    The estimates' variance less that of a log chi-square. With three degrees of freedom or fewer the log chi-square is too
    skewed for that: the variance is then the one of a normal that, added to it, comes nearest to the histogram of the
    estimates by a smooth line of Kullback and Leibler's divergence, as in DESeq2, which draws the sum's distribution;
    here it is integrated.
    """
    centre = np.median(ratio)
    spread = float((np.median(np.abs(ratio - centre)) * 1.4826) ** 2)
    if freedom > FEW:
        return max(spread - float(special.polygamma(1, freedom / 2)), LEAST_PRIOR), spread
    inside = ratio[(ratio > EDGES[0]) & (ratio < EDGES[-1])]
    seen = np.histogram(inside, EDGES, density=True)[0]
    least = min(seen[seen > 0].min(), 1 / (DRAWS * np.diff(EDGES)[0]))
    middle = (np.arange(500) + 0.5) / 500
    chance = np.log(2 * special.gammaincinv(freedom / 2, middle) / freedom)

    def divergence(variance: float) -> float:
        up = special.ndtr((EDGES[:, None] - chance) / np.sqrt(max(variance, 1e-9))).mean(axis=1)
        expected = np.diff(up) / (up[-1] - up[0]) / np.diff(EDGES)
        return float(np.sum(seen * (np.log(seen + least) - np.log(expected + least))))

    grid = np.linspace(0, 8, 200)
    line = _smooth_line(grid, np.array([divergence(v) for v in grid]))
    fine = np.linspace(0, 8, 1000)
    return max(float(fine[np.argmin(line(fine))]), LEAST_PRIOR), spread


def _smooth_line(x: Floats, y: Floats) -> CubicHermiteSpline:
    """Local quadratics over a fifth of the points, at 33 places; cubics between them.

    It is how R's loess works out a smooth line; DESeq2 takes the minimum of that line, a fifth above the minimum of the
    points where these are skewed.
    """
    places, slopes, heights = [x[0], *_halves(x), x[-1]], [], []
    for at in places:
        away = np.abs(x - at)
        near = np.argsort(away, kind="stable")[: len(x) // 5]
        weight = np.sqrt((1 - (away[near] / away[near].max()) ** 3) ** 3)[:, None]
        powers = np.vander(x[near] - at, 3) * weight
        _, slope, height = np.linalg.lstsq(powers, y[near] * weight[:, 0], rcond=None)[0]
        slopes.append(slope)
        heights.append(height)
    return CubicHermiteSpline(places, heights, slopes)


def _halves(x: Floats) -> list[float]:
    """Where sorted points are halved, and their halves, until eight are left in each part."""
    if len(x) <= 8:
        return []
    middle = len(x) // 2
    return [*_halves(x[:middle]), float(x[middle - 1] + x[middle]) / 2, *_halves(x[middle:])]


def _trend(mean: Floats, own: Floats) -> tuple[Floats, tuple[float, float] | None]:
    seen = own > SEEN
    found = parametric_trend(mean[seen], own[seen]) if seen.sum() >= FEW else None
    if found:
        return found[0] + found[1] / mean, found
    if seen.sum() < 10:
        return np.full(len(mean), np.median(own[seen]) if seen.any() else SEEN), None
    from statsmodels.nonparametric.smoothers_lowess import lowess

    order = np.argsort(mean[seen], kind="stable")
    x, y = np.log(mean[seen])[order], np.log(own[seen])[order]
    line = lowess(y, x, frac=0.5, delta=0.01 * np.ptp(x), return_sorted=False)
    return np.exp(np.interp(np.log(mean), x, line)), None


def estimate_dispersions(
    counts: Floats, matrix: Floats, scale: Floats, like: Dispersions | None = None
) -> Dispersions:
    """Dispersions of genes, each drawn towards the trend of all.

    Parameters
    ----------
    counts
        (genes, samples), each gene with a count.
    matrix
        (samples, coefficients), full rank, fewer columns than rows.
    scale
        (genes, samples), as `fit_means`.
    like
        Dispersions of the same genes whose trend and prior are used instead of new ones.
    """
    mean = (counts / scale).mean(axis=1)
    own, expected = own_dispersions(counts, matrix, scale)
    if like is not None:
        trend, coefficients, prior, spread = like.trend, like.coefficients, like.prior, like.spread
        if coefficients:
            trend = coefficients[0] + coefficients[1] / mean
    else:
        trend, coefficients = _trend(mean, own)
        seen = own >= SEEN
        if not seen.any():
            return Dispersions(own, trend, LEAST_PRIOR, np.full(len(own), SEEN), coefficients, 0.0)
        freedom = matrix.shape[0] - matrix.shape[1]
        prior, spread = prior_variance(np.log(own[seen] / trend[seen]), freedom)
    start = np.where(own > 0.1 * trend, own, trend)
    used, _ = fit_dispersions(
        counts, expected, matrix, start, prior_mean=np.log(trend), prior_variance=prior
    )
    used = np.clip(used, LEAST_DISPERSION, max(10.0, matrix.shape[0]))
    far = np.log(own) > np.log(trend) + OUTLIER * np.sqrt(spread)
    return Dispersions(own, trend, prior, np.where(far, own, used), coefficients, spread)
