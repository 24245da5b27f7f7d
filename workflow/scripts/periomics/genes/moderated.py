"""Moderated t-tests of counts: least squares on log counts, variances squeezed to their trend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, optimize, special

from periomics.core.multiplicity import benjamini_hochberg
from periomics.genes.normalise import log_cpm

Floats = NDArray[np.float64]

MIN_GENES = 50
"""Varying genes below which neither a trend of variances nor their spread is estimated."""
PRIOR_COUNT = 0.5
SPAN = 0.3
FLOOR = 1e-5
ROUNDING = 1e-24


@dataclass(frozen=True)
class Squeezed:
    """Variances with what all of them say about each.

    Attributes
    ----------
    variance
        Squeezed variances; the location where a gene has no degrees of freedom of its own.
    freedom
        Degrees of freedom of each: its own and the prior's, at most those of all genes together.
    prior
        Degrees of freedom that other genes are worth; inf where variances differ by chance only.
    location
        Variance towards which each is squeezed.
    """

    variance: Floats
    freedom: Floats
    prior: float
    location: Floats

    def of(self, genes: NDArray) -> Squeezed:
        """Those of some genes, chosen by an index or a mask."""
        return Squeezed(self.variance[genes], self.freedom[genes], self.prior, self.location[genes])


@dataclass(frozen=True)
class Fit:
    """Least squares of log2 counts, gene by gene.

    Attributes
    ----------
    logs
        (genes, samples): log2 counts per million.
    coefficients
        (genes, coefficients).
    unscaled
        (coefficients, coefficients): their covariance over a gene's variance.
    own
        Residual variance of each gene; NaN without degrees of freedom.
    own_freedom
        Its degrees of freedom; arms without any count add none.
    squeezed
        Variances that the test uses.
    reason
        Why there is no trend and no squeezing; '' where there are.
    """

    logs: Floats
    coefficients: Floats
    unscaled: Floats
    own: Floats
    own_freedom: Floats
    squeezed: Squeezed
    reason: str


def trigamma_inverse(value: float) -> float:
    """The x whose trigamma is a positive value."""
    log = optimize.brentq(
        lambda at: np.log(special.polygamma(1, np.exp(at))) - np.log(value),
        -40.0,
        40.0,
        xtol=1e-14,
        rtol=1e-14,
    )
    return float(np.exp(log))


def squeeze(variance: Floats, freedom: Floats, abundance: Floats | None = None) -> Squeezed:
    """Empirical Bayes variances under a scaled inverse chi-square prior.

    Parameters
    ----------
    variance
        Residual variances; NaN where there is none.
    freedom
        Their degrees of freedom.
    abundance
        What the prior's location follows smoothly; without it all have one location.

    Notes
    -----
    A variance s² with d degrees of freedom is then location × F(d, prior), and
    log s² − digamma(d/2) + log(d/2) has the mean log location − digamma(prior/2) + log(prior/2)
    and the variance trigamma(d/2) + trigamma(prior/2): both are solved from the sample's moments,
    the mean by lowess (spans of three tenths of the genes) where there is an abundance. Variances
    below a share of 1e-5 of the median count as that share. Without an abundance these are the
    moments of limma's squeezeVar (tests/peers).
    """
    variance, freedom = np.asarray(variance, float), np.asarray(freedom, float)
    known = np.isfinite(variance) & (freedom > 0)
    own = np.where(known, freedom, 0.0)
    if known.sum() < 2 or not np.median(variance[known]) > 0:
        return Squeezed(variance, own, 0.0, np.full(len(own), np.nan))
    s2, d = np.maximum(variance[known], FLOOR * np.median(variance[known])), freedom[known]
    logs = np.log(s2) - special.digamma(d / 2) + np.log(d / 2)
    mean = np.full(len(own), logs.mean())
    if abundance is not None:
        mean = _smooth(abundance[known], logs, abundance)
    used = 1 if abundance is None else round(2 / SPAN)
    spread = float(np.sum((logs - mean[known]) ** 2) / (len(logs) - used))
    excess = spread - float(np.mean(special.polygamma(1, d / 2)))
    total = np.full(len(own), float(d.sum()))
    if excess <= 1e-15:
        location = np.full(len(own), s2.mean()) if abundance is None else np.exp(mean)
        return Squeezed(location, total, np.inf, location)
    half = trigamma_inverse(excess)
    location = np.exp(mean + special.digamma(half) - np.log(half))
    weighted = own * np.where(known, variance, 0.0) + 2 * half * location
    return Squeezed(
        weighted / (own + 2 * half), np.minimum(own + 2 * half, total), 2 * half, location
    )


def _smooth(x: Floats, y: Floats, at: Floats) -> Floats:
    from statsmodels.nonparametric.smoothers_lowess import lowess

    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    return np.interp(
        at, x, lowess(y, x, frac=SPAN, it=0, delta=0.01 * np.ptp(x), return_sorted=False)
    )


def fit_logs(counts: Floats, matrix: Floats, arms: NDArray[np.int64], sizes: Floats) -> Fit:
    """Fit log2 counts per million by least squares; squeeze residual variances to their trend.

    Parameters
    ----------
    counts
        (genes, samples).
    matrix
        Model matrix (samples, coefficients) of full rank.
    arms
        Arm of each sample, as a number.
    sizes
        Size factors, (samples,) or (genes, samples).

    Notes
    -----
    An arm without a count of a gene takes no part in the gene's variance. Samples have equal weights:
    weights from a trend of spread over fitted counts, tried first, gave twice the stated false
    discovery rate at low counts in libraries of unequal depth.
    """
    logs = log_cpm(counts, PRIOR_COUNT, sizes)
    sums, freedom = _residual_sums(logs, counts, matrix=matrix, arms=arms)
    own = np.where(freedom > 0, sums / np.maximum(freedom, 1), np.nan)
    varying = int((sums > 0).sum())
    reason = ""
    if varying < MIN_GENES:
        reason = f"{varying} genes are too few for a trend: residual variances as they are"
        squeezed = Squeezed(own, freedom, 0.0, np.full(len(own), np.nan))
    else:
        squeezed = squeeze(own, freedom, np.log2((counts / sizes).mean(axis=1) + PRIOR_COUNT))
    coefficients = np.asarray(np.linalg.lstsq(matrix, logs.T, rcond=None)[0].T, np.float64)
    unscaled = np.asarray(np.linalg.inv(matrix.T @ matrix), np.float64)
    return Fit(
        logs=logs,
        coefficients=coefficients,
        unscaled=unscaled,
        own=own,
        own_freedom=freedom,
        squeezed=squeezed,
        reason=reason,
    )


def _patterns(counts: Floats, arms: NDArray[np.int64]) -> Iterator[tuple[NDArray, NDArray]]:
    """Genes that are without counts in the same arms, with the samples of the other arms."""
    names = np.unique(arms)
    empty = np.column_stack([counts[:, arms == a].sum(axis=1) == 0 for a in names])
    found, which = np.unique(empty, axis=0, return_inverse=True)
    for i, pattern in enumerate(found):
        yield np.flatnonzero(which.ravel() == i), ~np.isin(arms, names[pattern])


def _residual_sums(
    logs: Floats, counts: Floats, *, matrix: Floats, arms: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Residual sums of squares and degrees of freedom, without arms that hold no count of a gene."""
    sums, freedom = np.zeros(len(logs)), np.zeros(len(logs))
    for genes, used in _patterns(counts, arms):
        if not used.any():
            continue
        y = logs[genes][:, used]
        basis = linalg.orth(matrix[used])
        left = np.sum((y - y @ basis @ basis.T) ** 2, axis=1)
        sums[genes] = np.where(left > ROUNDING * np.sum(y**2, axis=1), left, 0.0)
        freedom[genes] = used.sum() - basis.shape[1]
    return sums, freedom


def contrast_test(fit: Fit, vector: Floats) -> pd.DataFrame:
    """Moderated t-test of a contrast of coefficients; NaN where a gene cannot be tested.

    Returns
    -------
    DataFrame
        change (log2), error, stat, df, p.
    """
    change = fit.coefficients @ vector
    scale = float(vector @ fit.unscaled @ vector)
    variance, df = fit.squeezed.variance, fit.squeezed.freedom
    testable = np.isfinite(variance) & (variance > 0) & (df > 0)
    error = np.sqrt(np.where(testable, variance, np.nan) * scale)
    stat = change / error
    return pd.DataFrame(
        {
            "change": change,
            "error": error,
            "stat": stat,
            "df": np.where(testable, df, np.nan),
            "p": 2 * special.stdtr(np.where(testable, df, 1.0), -np.abs(stat)),
        }
    )


def adjusted_after_filter(p: Floats, mean: Floats, alpha: float) -> Floats:
    """Benjamini and Hochberg's adjusted p without the genes of low mean that hardly any rejection comes from.

    Parameters
    ----------
    p
        NaN takes no part.
    mean
        Mean count of each gene.
    alpha
        False discovery rate at which rejections are counted.

    Returns
    -------
    ndarray
        NaN also where a gene was filtered.

    Notes
    -----
    Rejections are counted with the lowest 0 to 95 % of genes left out (50 steps) and smoothed; the
    first step that comes within one residual SD of the highest point of the smooth is taken. It is
    the rule of DESeq2's independent filtering.
    """
    from statsmodels.nonparametric.smoothers_lowess import lowess

    theta = np.linspace(float(np.mean(mean == 0)), 0.95, 50)
    cuts = np.quantile(mean, theta)
    kept = np.where(mean[None] >= cuts[:, None], p[None], np.nan)
    adjusted = benjamini_hochberg(kept)
    found = (adjusted < alpha).sum(axis=1)
    if found.max() <= 10:
        return adjusted[0]
    smooth = lowess(found, theta, frac=0.2, return_sorted=False)
    some = found > 0
    near = smooth.max() - np.sqrt(np.mean((found[some] - smooth[some]) ** 2))
    return adjusted[int(np.argmax(found > near))]
