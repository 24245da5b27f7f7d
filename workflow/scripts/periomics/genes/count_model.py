"""Negative binomial fit of a count matrix as DESeq2's: dispersions, coefficients, and counts far from the rest of their arm."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from periomics.genes.dispersion import Dispersions, estimate_dispersions
from periomics.genes.negative_binomial import Means, fit_means

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FOR_OUTLIERS, FOR_REPLACEMENT = 3, 7
"""Samples of one kind from which an outlier is told, and is replaced."""
TRIM = 0.2
LEAST_ROBUST = 0.04
TRIMS = ((3.5, 1 / 3, 2.04), (23.5, 1 / 4, 1.86), (np.inf, 1 / 8, 1.51))
"""Samples up to which a share is cut from both ends, and what makes up for it in a variance."""


@dataclass(frozen=True)
class CountFit:
    """Fit of all genes.

    Attributes
    ----------
    mean
        Mean normalised count; where outliers were replaced, without them.
    means
        Coefficients.
    outlier
        Genes with a count far from the others of its kind, too few to replace it, or without any other count: no test against
        the normal distribution. Without any other count the change and its error are 0, as in DESeq2.
    dispersions
        Of all genes, before outliers were replaced.
    """

    mean: Floats
    means: Means
    outlier: Flags
    dispersions: Dispersions

    def contrast(self, vector: Floats) -> tuple[Floats, Floats]:
        """Change and its standard error in log2 units, for weights of the coefficients."""
        variance = np.einsum("i,gij,j->g", vector, self.means.covariance, vector)
        return self.means.beta @ vector / np.log(2), np.sqrt(variance) / np.log(2)


def fit_counts(counts: Floats, matrix: Floats, scale: Floats) -> CountFit:
    """Dispersions and coefficients of every gene, outliers replaced where their kind has seven samples or more.

    Parameters
    ----------
    counts
        (genes, samples), each gene with a count.
    matrix
        (samples, coefficients), full rank, fewer columns than rows.
    scale
        (genes, samples): size factors, times transcript lengths where there are.
    """
    dispersions = estimate_dispersions(counts, matrix, scale)
    means = fit_means(counts, matrix, scale, dispersions.used)
    kinds, sizes = _kinds(matrix)
    base = (counts / scale).mean(axis=1)
    if not (sizes >= FOR_OUTLIERS).any():
        return CountFit(base, means, np.zeros(len(counts), bool), dispersions)
    p = matrix.shape[1]
    limit = float(special.fdtri(p, len(matrix) - p, 0.99))
    distance = cooks_distance(counts, scale, means, kinds=kinds, coefficients=p)
    replaced = (distance > limit) & (sizes >= FOR_REPLACEMENT)
    gone = np.zeros(len(counts), bool)
    if replaced.any():
        means, base = _without(counts, matrix, scale, replaced, dispersions, means, base=base)
        gone = base == 0
    left = np.where((sizes >= FOR_OUTLIERS) & (sizes < FOR_REPLACEMENT), distance, 0.0)
    outlier = left.max(axis=1) > limit
    if len(np.unique(kinds)) == p == 2:
        # Of two kinds only: a count that three others exceed is no outlier.
        most = np.take_along_axis(counts, left.argmax(axis=1)[:, None], axis=1)
        outlier &= (counts > most).sum(axis=1) < FOR_OUTLIERS
    return CountFit(base, means, outlier | gone, dispersions)


def _kinds(matrix: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which samples have the same row of the model, and how many each is one of."""
    which = np.unique(matrix, axis=0, return_inverse=True)[1].ravel()
    return which, np.bincount(which)[which]


def cooks_distance(
    counts: Floats, scale: Floats, means: Means, *, kinds: NDArray[np.int64], coefficients: int
) -> Floats:
    """Cook's distance of every count, with a dispersion that single counts hardly move."""
    alpha = _robust_dispersion(counts / scale, kinds)[:, None]
    variance = means.mean + alpha * means.mean**2
    h = means.leverage
    return np.asarray((counts - means.mean) ** 2 / variance / coefficients * h / (1 - h) ** 2)


def _trimmed_mean(values: Floats, share: float) -> Floats:
    """Mean of each row without so large a share of its values at either end."""
    cut = int(share * values.shape[1])
    middle: Floats = np.sort(values, axis=1)[:, cut : values.shape[1] - cut].mean(axis=1)
    return middle


def _robust_dispersion(normal: Floats, kinds: NDArray[np.int64]) -> Floats:
    """Dispersion by the largest trimmed variance among kinds of three samples or more."""
    found = []
    for kind in np.unique(kinds):
        part = normal[:, kinds == kind]
        if part.shape[1] < FOR_OUTLIERS:
            continue
        trim, correction = next((t, c) for n, t, c in TRIMS if part.shape[1] <= n)
        middle = _trimmed_mean(part, trim)
        found.append(correction * _trimmed_mean((part - middle[:, None]) ** 2, trim))
    mean = normal.mean(axis=1)
    return np.maximum((np.max(found, axis=0) - mean) / mean**2, LEAST_ROBUST)


def _without(
    counts: Floats,
    matrix: Floats,
    scale: Floats,
    replaced: Flags,
    dispersions: Dispersions,
    means: Means,
    *,
    base: Floats,
) -> tuple[Means, Floats]:
    """Coefficients and mean counts with outliers replaced by the trimmed mean of their gene; trend and prior stay."""
    genes = np.flatnonzero(replaced.any(axis=1))
    y, s = counts[genes], scale[genes]
    typical = np.floor(_trimmed_mean(y / s, TRIM)[:, None] * s)
    y = np.where(replaced[genes], typical, y)
    parts = ("beta", "covariance", "mean", "leverage")
    changed = {name: getattr(means, name).copy() for name in parts}
    base, some = base.copy(), y.sum(axis=1) > 0
    for name in ("beta", "covariance", "mean"):
        changed[name][genes[~some]] = 0.0
    base[genes[~some]] = 0.0
    genes, y, s = genes[some], y[some], s[some]
    if len(genes):
        like = replace(dispersions, trend=dispersions.trend[genes])
        fitted = fit_means(y, matrix, s, estimate_dispersions(y, matrix, s, like).used)
        for name in parts:
            changed[name][genes] = getattr(fitted, name)
        base[genes] = (y / s).mean(axis=1)
    return Means(**changed), base
