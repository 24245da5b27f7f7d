"""Shrunken log fold changes for display and ranking of effects, never for tests."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq


def prior_scale(change: np.ndarray, error: np.ndarray) -> float:
    """Scale of the spread of true changes, from estimates and their standard errors.

    The variance A that solves sum of ((b² − s²) / (A + s²)² − A / (A + s²)²) = 0, the moment equation for estimates b ~ N(0, A + s²).

    Parameters
    ----------
    change, error
        Estimates and standard errors, log2; non-finite ones are left out.
    """
    ok = np.isfinite(change) & np.isfinite(error) & (error > 0)
    square, variance = change[ok] ** 2, error[ok] ** 2
    if not len(square):
        return 1.0

    def excess(a: float) -> float:
        return float(np.sum((square - variance - a) / (variance + a) ** 2))

    low, high = 1e-8, max(1e-6, float(square.max()))
    if excess(low) <= 0:
        return float(np.sqrt(1e-4))
    return float(np.sqrt(brentq(excess, low, high))) if excess(high) < 0 else float(np.sqrt(high))


def shrunken(change: np.ndarray, error: np.ndarray) -> np.ndarray:
    """Posterior mode of each change under a Cauchy prior whose scale comes from all of them.

    Parameters
    ----------
    change, error
        Estimates and standard errors, log2.

    Returns
    -------
    ndarray
        Same sign as the estimate and no larger; NaN where there is no estimate.

    Notes
    -----
    The idea of apeglm (Zhu, Ibrahim and Love, Bioinformatics 35:2084, 2019) with a normal likelihood around the estimate, so
    that every contrast is shrunken the same way: the mode solves b³ − b̂b² + (S² + 2s²)b − b̂S² = 0.
    """
    out = np.full(len(change), np.nan)
    ok = np.isfinite(change) & np.isfinite(error) & (error > 0)
    if not ok.any():
        return out
    b, v, s2 = change[ok], error[ok] ** 2, prior_scale(change, error) ** 2
    companion = np.zeros((len(b), 3, 3))
    companion[:, 1, 0] = companion[:, 2, 1] = 1.0
    companion[:, 0, 2], companion[:, 1, 2], companion[:, 2, 2] = b * s2, -(s2 + 2 * v), b
    roots = np.linalg.eigvals(companion)
    real = np.where(np.abs(roots.imag) < 1e-6 * (1 + np.abs(roots.real)), roots.real, np.nan)
    cost = (real - b[:, None]) ** 2 / (2 * v[:, None]) + np.log1p(real**2 / s2)
    best = np.nanargmin(np.where(np.isnan(real), np.inf, cost), axis=1)
    mode = real[np.arange(len(b)), best]
    out[ok] = np.sign(b) * np.clip(np.sign(b) * mode, 0, np.abs(b))
    return out
