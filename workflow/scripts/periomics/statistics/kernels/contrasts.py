"""Contrasts of arms from group-wise variances, on arrays: one study or a thousand at once.

All kernels take the last axis as arms (or units) and broadcast over the leading axes, so that calibration runs the very code
that judges a study.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]
Index = NDArray[Any] | tuple[Any, ...]
# A standard error below this share of the means is rounding, not variation.
ROUNDING = 1e-12


class Arms(NamedTuple):
    """Mean, variance (ddof 1) and number of animals, each of shape (..., arms)."""

    mean: Floats
    var: Floats
    n: Floats

    def form(self, weights: ArrayLike) -> Estimate:
        """Weighted sum of means (`linear_form`)."""
        return linear_form(self, weights)

    def some(self, which: Index) -> Arms:
        """Those studies or outcomes that an index or mask of the leading shape names."""
        return Arms(*(x[which] for x in self))


class Estimate(NamedTuple):
    """Estimate, standard error and degrees of freedom; the last two are NaN where no inference is possible."""

    estimate: Floats
    se: Floats
    df: Floats

    def shifted(self, by: ArrayLike) -> Estimate:
        """The estimate minus a fixed number."""
        return Estimate(self.estimate - np.asarray(by, float), self.se, self.df)


def summarise(values: ArrayLike, arm: ArrayLike, n_arms: int) -> Arms:
    """Mean, variance and number of animals of each arm.

    Parameters
    ----------
    values
        Shape (..., animals); NaN is a missing animal.
    arm
        Index of the arm of each animal, shape (animals,); a negative index leaves an animal out.
    n_arms
        Number of arms.

    Returns
    -------
    Arms
        Arrays of shape (..., n_arms); the mean of an empty arm and the variance of an arm with fewer than two animals are NaN.
    """
    values, arm = np.asarray(values, float), np.asarray(arm, int)
    shape = (*values.shape[:-1], n_arms)
    mean, var, n = np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(shape)
    for g in range(n_arms):
        y = values[..., arm == g]
        seen = ~np.isnan(y)
        k = seen.sum(axis=-1).astype(float)
        total = np.where(seen, y, 0.0).sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            m = np.where(k > 0, total / k, np.nan)
            squares = np.where(seen, (y - m[..., None]) ** 2, 0.0).sum(axis=-1)
            var[..., g] = np.where(k > 1, squares / (k - 1), np.nan)
        mean[..., g], n[..., g] = m, k
    return Arms(mean, var, n)


def linear_form(arms: Arms, weights: ArrayLike, *, pooled: bool = False) -> Estimate:
    """Weighted sum of arm means with group-wise variances and Satterthwaite degrees of freedom.

    Parameters
    ----------
    arms
        Shape (..., arms).
    weights
        Shape (arms,) or broadcastable to (..., arms); arms of weight 0 take no part.
    pooled
        Pool the variance over all arms (residual degrees of freedom). Only calibration uses it, to meet published powers.

    Returns
    -------
    Estimate
        `se` and `df` are NaN where an arm with a weight has fewer than two animals, or where nothing varies.

    Notes
    -----
    Welch and Satterthwaite: se² = Σ w²s²/n, df = se⁴ / Σ (w²s²/n)²/(n−1).
    """
    w = np.broadcast_to(np.asarray(weights, float), arms.mean.shape)
    used = w != 0
    estimate = np.where(used, w * np.where(used, arms.mean, 0.0), 0.0).sum(axis=-1)
    enough = (~used | (arms.n >= 2)).all(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        if pooled:
            free = np.where(arms.n > 1, arms.n - 1, 0.0)
            df = free.sum(axis=-1)
            s2 = np.where(free > 0, arms.var * free, 0.0).sum(axis=-1) / df
            squared = (np.where(used, w**2 / np.where(used, arms.n, 1.0), 0.0)).sum(axis=-1) * s2
        else:
            part = np.where(
                used, w**2 * np.where(used, arms.var, 0.0) / np.where(used, arms.n, 1.0), 0.0
            )
            squared = part.sum(axis=-1)
            df = squared**2 / np.where(used, part**2 / np.where(used, arms.n - 1, 1.0), 0.0).sum(
                axis=-1
            )
        size = np.where(used, np.abs(w * np.where(used, arms.mean, 0.0)), 0.0).max(
            axis=-1, initial=0.0
        )
        fine = enough & (squared > (ROUNDING * size) ** 2) & (squared > 0)
        return Estimate(
            estimate, np.where(fine, np.sqrt(squared), np.nan), np.where(fine, df, np.nan)
        )


def one_sample(differences: ArrayLike) -> Estimate:
    """Mean of within-unit differences with its t statistics; shape (..., units), NaN is a unit that lacks an arm."""
    values = np.asarray(differences, float)
    arms = summarise(values, np.zeros(values.shape[-1], int), 1)
    return linear_form(arms, np.ones(1))


def within_units(
    values: ArrayLike, arm: ArrayLike, unit: ArrayLike, weights: ArrayLike
) -> tuple[Floats, NDArray[np.int64]]:
    """Contrast of arms inside each unit (isolation, donor, block).

    Parameters
    ----------
    values, arm, unit
        Shape (rows,): the value, the index of its arm and the index of its unit; NaN values are missing.
    weights
        Shape (arms,).

    Returns
    -------
    differences
        Shape (units,): Σ w × mean of the unit in the arm; NaN where the unit lacks an arm with a weight.
    complete
        Indices of the units that have a difference.
    """
    values, arm, unit = np.asarray(values, float), np.asarray(arm, int), np.asarray(unit, int)
    w = np.asarray(weights, float)
    out = np.full(int(unit.max(initial=-1)) + 1, np.nan)
    for u in range(out.size):
        means = summarise(values[unit == u], arm[unit == u], w.size)
        if (means.n[w != 0] > 0).all():
            out[u] = float((w[w != 0] * means.mean[w != 0]).sum())
    return out, np.flatnonzero(~np.isnan(out))


def within_unit_slopes(
    values: ArrayLike, x: ArrayLike, unit: ArrayLike
) -> tuple[Floats, NDArray[np.int64]]:
    """Least-squares slope of `values` on `x` inside each unit; NaN where a unit has fewer than two distinct x."""
    values, x, unit = np.asarray(values, float), np.asarray(x, float), np.asarray(unit, int)
    out = np.full(int(unit.max(initial=-1)) + 1, np.nan)
    for u in range(out.size):
        keep = (unit == u) & ~np.isnan(values) & ~np.isnan(x)
        spread = x[keep] - x[keep].mean() if keep.any() else np.empty(0)
        if spread.size and (spread**2).sum() > 0:
            out[u] = float((spread * values[keep]).sum() / (spread**2).sum())
    return out, np.flatnonzero(~np.isnan(out))


def interval(form: Estimate, level: ArrayLike) -> tuple[Floats, Floats]:
    """Two-sided t interval at `level` (0.95 …), broadcast."""
    half = stdtrit(form.df, 0.5 + np.asarray(level, float) / 2) * form.se
    return form.estimate - half, form.estimate + half


def p_two_sided(form: Estimate) -> Floats:
    """Two-sided p-value of estimate = 0."""
    return 2 * stdtr(form.df, -np.abs(form.estimate / form.se))


def p_above(form: Estimate) -> Floats:
    """One-sided p-value against "at most 0": small when the estimate lies above 0."""
    return stdtr(form.df, -form.estimate / form.se)


def p_below(form: Estimate) -> Floats:
    """One-sided p-value against "at least 0": small when the estimate lies below 0."""
    return stdtr(form.df, form.estimate / form.se)


def refusal(arms: Arms, weights: ArrayLike, names: list[str]) -> str:
    """Why a single contrast (arms of shape (arms,)) has no inference; empty if it has."""
    w = np.asarray(weights, float)
    few = [f"{names[g]} ({int(arms.n[g])})" for g in np.flatnonzero(w) if arms.n[g] < 2]
    if few:
        return f"fewer than 2 animals in {', '.join(few)}"
    if np.isnan(linear_form(arms, w).se):
        return "all animals of the contrasted arms have the same value"
    return ""
