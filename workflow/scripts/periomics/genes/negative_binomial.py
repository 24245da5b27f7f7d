"""Negative binomial regression of counts, all genes at once: mean given dispersion, and dispersion given mean.

The model is that of Love, Huber and Anders (Genome Biology 15:550, 2014) as DESeq2 fits it: log-linear means, dispersions by
Cox and Reid's adjusted profile likelihood. Arrays hold one row a gene, so that a step costs a few matrix products for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Floats = NDArray[np.float64]

LEAST_MEAN = 0.5
RIDGE = 1e-6 / np.log(2) ** 2
LARGEST = 30.0
TOLERANCE, MOST_STEPS = 1e-8, 100
LEAST_DISPERSION = 1e-8
GAIN = 1e-6
RISE = 1e-4


@dataclass(frozen=True)
class Means:
    """Coefficients of log means.

    Attributes
    ----------
    beta
        (genes, coefficients), natural logarithms.
    covariance
        (genes, coefficients, coefficients).
    mean
        (genes, samples), expected counts.
    leverage
        (genes, samples).
    """

    beta: Floats
    covariance: Floats
    mean: Floats
    leverage: Floats


def _products(matrix: Floats) -> Floats:
    """Outer product of each sample's row with itself, flat: (samples, coefficients²)."""
    return (matrix[:, :, None] * matrix[:, None, :]).reshape(len(matrix), -1)


def _gram(weights: Floats, products: Floats) -> Floats:
    size = round(products.shape[1] ** 0.5)
    return (weights @ products).reshape(-1, size, size)


def fit_means(counts: Floats, matrix: Floats, scale: Floats, dispersion: Floats) -> Means:
    """Coefficients of each gene by iterated weighted least squares.

    Parameters
    ----------
    counts
        (genes, samples).
    matrix
        (samples, coefficients), full rank.
    scale
        (genes, samples): what an expected count is a multiple of (size factors, or size factors times transcript lengths).
    dispersion
        (genes,).

    Notes
    -----
    A faint ridge (1e-6 on log2 coefficients) and a least expected count of .5 keep genes finite that are without counts in an
    arm. Genes that do not settle in 100 steps go to a quasi-Newton method.
    """
    beta = np.linalg.lstsq(matrix, np.log(counts / scale + 0.1).T, rcond=None)[0].T
    alpha, products = dispersion[:, None], _products(matrix)
    deviance = np.full(len(counts), np.inf)
    constant = _likelihood_constant(counts, alpha)
    active, settled = np.arange(len(counts)), np.zeros(len(counts), bool)
    for _ in range(MOST_STEPS):
        y, s, a = counts[active], scale[active], alpha[active]
        mu = np.maximum(s * np.exp(beta[active] @ matrix.T), LEAST_MEAN)
        weights = mu / (1 + a * mu)
        working = np.log(mu / s) + (y - mu) / mu
        right = (weights * working) @ matrix
        gram = _gram(weights, products) + RIDGE * np.eye(matrix.shape[1])
        new = np.linalg.solve(gram, right[..., None])[..., 0]
        wild = ~(np.abs(new) <= LARGEST).all(axis=1)
        new[wild] = beta[active[wild]]
        beta[active] = new
        mu = np.maximum(s * np.exp(new @ matrix.T), LEAST_MEAN)
        now = -2 * (constant[active] + _kernel(y, mu, a))
        done = np.abs(now - deviance[active]) < TOLERANCE * (np.abs(now) + 0.1)
        deviance[active], settled[active[done & ~wild]] = now, True
        active = active[~done & ~wild]
        if not len(active):
            break
    for i in np.flatnonzero(~settled):
        beta[i] = _by_quasi_newton(counts[i], matrix, scale[i], dispersion[i], beta[i])
    mean = scale * np.exp(np.clip(beta @ matrix.T, -LARGEST * 2, LARGEST * 2))
    held = np.maximum(mean, LEAST_MEAN)
    weights = held / (1 + alpha * held)
    gram = _gram(weights, products)
    inverse = np.linalg.inv(gram + RIDGE * np.eye(matrix.shape[1]))
    leverage = weights * (inverse.reshape(len(counts), -1) @ products.T)
    return Means(np.asarray(beta, np.float64), inverse @ gram @ inverse, mean, leverage)


def _likelihood_constant(counts: Floats, alpha: Floats) -> Floats:
    return np.sum(
        special.gammaln(counts + 1 / alpha)
        - special.gammaln(1 / alpha)
        - special.gammaln(counts + 1),
        axis=-1,
    )


def _kernel(counts: Floats, mu: Floats, alpha: Floats) -> Floats:
    """Log likelihood less what does not depend on the mean."""
    return np.sum(
        counts * np.log(alpha * mu) - (counts + 1 / alpha) * np.log1p(alpha * mu), axis=-1
    )


def _by_quasi_newton(
    counts: Floats, matrix: Floats, scale: Floats, alpha: float, start: Floats
) -> Floats:
    def loss(beta: Floats) -> tuple[float, Floats]:
        mu = scale * np.exp(matrix @ beta)
        fall = -_kernel(counts, mu, np.asarray(alpha)) + RIDGE / 2 * float(beta @ beta)
        return float(fall), -matrix.T @ ((counts - mu) / (1 + alpha * mu)) + RIDGE * beta

    start = np.where(np.abs(start) <= LARGEST, start, 0.0)
    found = optimize.minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(-LARGEST, LARGEST)] * len(start)
    )
    return np.asarray(found.x, float)


def adjusted_likelihood(
    counts: Floats, mean: Floats, matrix: Floats, log_dispersion: Floats
) -> tuple[Floats, Floats]:
    """Cox and Reid's adjusted profile log likelihood of log dispersions, and its slope.

    Parameters
    ----------
    counts, mean
        (genes, samples).
    matrix
        (samples, coefficients).
    log_dispersion
        (genes,).
    """
    alpha = np.exp(log_dispersion)[:, None]
    r = 1 / alpha
    part = mean * alpha
    log_part = np.log1p(part)
    value = np.sum(
        special.gammaln(counts + r) - counts * np.log(mean + r) - r * log_part, axis=1
    ) - counts.shape[1] * special.gammaln(r[:, 0])
    slope = np.sum(
        special.digamma(counts + r) - log_part + part / (1 + part) - counts / (mean + r), axis=1
    )
    slope = r[:, 0] * (counts.shape[1] * special.digamma(r[:, 0]) - slope)
    products, weights = _products(matrix), mean / (1 + part)
    gram = _gram(weights, products)
    inverse = np.linalg.inv(gram).reshape(len(counts), -1)
    value -= 0.5 * np.linalg.slogdet(gram)[1]
    slope += 0.5 * alpha[:, 0] * np.sum(weights**2 * (inverse @ products.T), axis=1)
    return value, slope


def fit_dispersions(
    counts: Floats,
    mean: Floats,
    matrix: Floats,
    start: Floats,
    *,
    prior_mean: Floats | None = None,
    prior_variance: float = 1.0,
) -> tuple[Floats, Floats]:
    """Dispersions that maximise the adjusted likelihood, or its product with a log-normal prior.

    Parameters
    ----------
    counts, mean, matrix
        As `adjusted_likelihood`.
    start
        Dispersions (genes,) to climb from.
    prior_mean, prior_variance
        Of log dispersion; without a mean there is no prior.

    Returns
    -------
    dispersion
        (genes,). The climb stops where a step gains less than 1e-6: where the likelihood hardly tells small dispersions apart,
        that is on the way, as in DESeq2, whose trend and prior rest on where it stops.
    gain
        Log likelihood gained since the start, as a share of what it was.
    """

    def height(rows: NDArray[np.int64], at: Floats) -> tuple[Floats, Floats]:
        value, slope = adjusted_likelihood(counts[rows], mean[rows], matrix, at)
        if prior_mean is None:
            return value, slope
        away = at - prior_mean[rows]
        return value - away**2 / (2 * prior_variance), slope - away / prior_variance

    log, first, last, settled = _climb(height, np.log(start))
    for i in np.flatnonzero(~settled):
        grid = np.linspace(np.log(LEAST_DISPERSION), np.log(max(10, counts.shape[1])), 400)
        values = height(np.full(len(grid), i), grid)[0]
        log[i] = grid[int(np.argmax(values))]
    return np.exp(log), (last - first) / np.abs(first)


def _climb(
    height: Callable[[NDArray[np.int64], Floats], tuple[Floats, Floats]], start: Floats
) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Gradient ascent with backtracking of many functions of one variable: where it ends, heights, and whether it settled."""
    rows = np.arange(len(start))
    at, step = start.copy(), np.ones(len(start))
    value, slope = height(rows, at)
    first, taken = value.copy(), np.zeros(len(start), int)
    settled = np.zeros(len(start), bool)
    for _ in range(MOST_STEPS):
        there = np.clip(at[rows] + step[rows] * slope[rows], -LARGEST, 10)
        new, new_slope = height(rows, there)
        enough = new >= value[rows] + RISE * (there - at[rows]) * slope[rows]
        up = rows[enough]
        gained = new[enough] - value[up]
        at[up], value[up], slope[up] = there[enough], new[enough], new_slope[enough]
        taken[up] += 1
        step[up] = np.minimum(step[up] * 1.1, 1.0)
        step[up[taken[up] % 5 == 0]] /= 2
        step[rows[~enough]] /= 2
        settled[up[(gained < GAIN) | (at[up] < np.log(LEAST_DISPERSION / 10))]] = True
        rows = rows[~settled[rows]]
        if not len(rows):
            break
    return at, first, value, settled
