"""Contrasts of arms adjusted for blocks and covariates, with variances that may differ between arms; one study or a thousand.

Least squares on [block | arm | covariates]. The variance of a contrast is the bias-reduced sandwich (each squared residual over
one minus its leverage), its degrees of freedom are those of Bell and McCaffrey with each arm's own variance as working model.
Without blocks and covariates both are Welch's. Why this and not another: docs/statistics.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from periomics.statistics.contrasts import ROUNDING, Estimate, Floats

# Below this a leverage is 1, a weight is 0, and a contrast is estimable.
NOTHING = 1e-9
CHUNK = 4096


class Patterns(NamedTuple):
    """What depends on the design and on who is missing, not on values; the first axis is the pattern of missing animals.

    `residual` (patterns, animals, animals) makes residuals, `lead` (patterns, arms, animals) adjusted means, `lost`
    (patterns, arms, columns) is 0 for combinations of arms that the design can estimate, `free` (patterns, animals) is
    1 − leverage, `solve` (patterns, arms, arms) turns sums of squared residuals into variances, `member` is (animals, arms).
    """

    residual: Floats
    lead: Floats
    lost: Floats
    free: Floats
    solve: Floats
    member: Floats


class Adjusted(NamedTuple):
    """Adjusted means, variances and numbers of arms, shape (..., arms), and what combinations of them need.

    `squares` (..., animals) are squared residuals over 1 − leverage, `pattern` (...) the row of `patterns` of each study,
    `size` (...) the largest absolute value.
    """

    mean: Floats
    var: Floats
    n: Floats
    squares: Floats
    pattern: NDArray[np.int64]
    size: Floats
    patterns: Patterns

    def form(self, weights: ArrayLike) -> Estimate:
        """Weighted sum of adjusted means; weights of shape (arms,)."""
        w = np.asarray(weights, float)
        return self.line(w, np.zeros_like(w)).at(np.zeros(self.mean.shape[:-1]))

    def line(self, start: ArrayLike, step: ArrayLike) -> AdjustedLine:
        """All combinations start + x × step, each of shape (arms,)."""
        start, step = np.asarray(start, float), np.asarray(step, float)
        p, member = self.patterns, self.patterns.member
        a, b = start @ p.lead, step @ p.lead
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(p.free > NOTHING, 1 / p.free, 0.0)
        parts = [a * a, 2 * a * b, b * b]
        # Quadratic forms of the residuals; the working variances enter study by study.
        q = [p.residual @ ((part * share)[:, :, None] * p.residual) for part in parts]
        trace = np.stack([np.diagonal(m, axis1=1, axis2=2) @ member for m in q], axis=1)
        cross = np.stack([np.stack([member.T @ (x * y) @ member for y in q], axis=1) for x in q], axis=1)
        blind = (p.free <= NOTHING) & (np.abs(a) + np.abs(b) > NOTHING)
        known = (np.abs(start @ p.lost) + np.abs(step @ p.lost)).max(axis=-1) < 1e-6
        used = (start != 0) | (step != 0)
        fine = known & ~blind.any(axis=-1)
        weight = np.stack(parts, axis=1)
        row = self.pattern
        return AdjustedLine(
            np.stack([self.mean @ start, self.mean @ step], axis=-1),
            _by_pattern(weight, self.squares, row),
            _by_pattern(trace, self.var, row),
            _square(cross, self.var, row),
            known[row], fine[row] & ((self.n >= 2) | ~used).all(axis=-1), self.size,
        )  # fmt: skip


class AdjustedLine(NamedTuple):
    """Estimates along a line of weights: polynomials in x for the estimate, its variance and its degrees of freedom."""

    estimate: Floats
    variance: Floats
    trace: Floats
    square: Floats
    known: NDArray[np.bool_]
    fine: NDArray[np.bool_]
    size: Floats

    def at(self, x: ArrayLike) -> Estimate:
        """Estimate at x, broadcast to the leading shape."""
        x = np.asarray(x, float)
        power = np.stack(np.broadcast_arrays(np.ones_like(x), x, x**2), axis=-1)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            estimate = (self.estimate * power[..., :2]).sum(axis=-1)
            variance = (self.variance * power).sum(axis=-1)
            trace = (self.trace * power).sum(axis=-1)
            square = np.einsum("...k,...kl,...l->...", power, self.square, power)
            least = (ROUNDING * self.size * np.maximum(1, np.abs(x))) ** 2
            fine = self.fine & (variance > least) & (square > 0)
            return Estimate(
                np.where(self.known, estimate, np.nan),
                np.where(fine, np.sqrt(variance), np.nan),
                np.where(fine, trace**2 / square, np.nan),
            )

    def take(self, rows: NDArray[np.bool_]) -> AdjustedLine:
        """The line of some studies only."""
        return AdjustedLine(*(a[rows] for a in self))


def adjust(
    values: ArrayLike, arm: ArrayLike, n_arms: int, block: ArrayLike | None = None, covariates: ArrayLike | None = None
) -> Adjusted:
    """Fit blocks, arms and covariates.

    Parameters
    ----------
    values
        Shape (..., animals); NaN is a missing animal.
    arm
        Index of each animal's arm, shape (animals,); a negative index leaves an animal out.
    n_arms
        Number of arms.
    block
        Index of each animal's block, shape (animals,); nothing for one block.
    covariates
        Shape (animals, k) without missing entries.

    Returns
    -------
    Adjusted

    Notes
    -----
    HC2 with degrees of freedom from two matched moments: MacKinnon and White 1985, Bell and McCaffrey 2002 [from memory].
    The working variances are each arm's, unbiased from the residuals (Rao's MINQUE [from memory]) and not below 0.
    """
    values, arm = np.asarray(values, float), np.asarray(arm, int)
    shape, animals = values.shape[:-1], values.shape[-1]
    y = np.where(arm >= 0, values, np.nan).reshape(-1, animals)
    seen = ~np.isnan(y)
    kinds, pattern = np.unique(seen, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    member = (arm[:, None] == np.arange(n_arms)).astype(float)
    block = np.zeros(animals, int) if block is None else np.asarray(block, int)
    further = np.empty((animals, 0)) if covariates is None else np.asarray(covariates, float).reshape(animals, -1)
    p = _patterns(kinds, member, (block[:, None] == np.unique(block)).astype(float), further)
    y = np.where(seen, y, 0.0)
    # Large common values would leave their rounding in the residuals.
    centre = y.sum(axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    residual = _by_pattern(p.residual, np.where(seen, y - centre, 0.0), pattern)
    free = p.free[pattern]
    with np.errstate(invalid="ignore", divide="ignore"):
        squares = np.where(free > NOTHING, residual**2 / free, 0.0)
    fit = Adjusted(
        _by_pattern(p.lead, y, pattern), _arm_variances(residual, p, pattern), (kinds @ member)[pattern], squares, pattern,
        np.abs(y).max(axis=1, initial=0.0), p,
    )  # fmt: skip
    return fit._replace(
        **{k: v.reshape(*shape, -1) for k, v in fit._asdict().items() if k in ("mean", "var", "n", "squares")},
        pattern=pattern.reshape(shape), size=fit.size.reshape(shape),
    )  # fmt: skip


def _patterns(kinds: NDArray[np.bool_], member: Floats, blocks: Floats, further: Floats) -> Patterns:
    """Matrices of every pattern of missing animals."""
    model = np.hstack([member, blocks, further - further.mean(axis=0) if further.size else further])
    x = kinds[:, :, None] * model
    inverse = np.linalg.pinv(x, rcond=1e-10)
    residual = kinds[:, :, None] * np.eye(kinds.shape[1]) - x @ inverse
    arms = member.shape[1]
    lost = inverse[:, :arms] @ x - np.eye(arms, model.shape[1])
    sums = member.T @ residual**2 @ member
    free = np.diagonal(residual, axis1=1, axis2=2)
    return Patterns(residual, inverse[:, :arms], lost, free, np.linalg.pinv(sums, rcond=1e-9, hermitian=True), member)


def _arm_variances(residual: Floats, p: Patterns, pattern: NDArray[np.int64]) -> Floats:
    """Working variance of each arm; the pooled one where no arm shows any."""
    sums = residual**2 @ p.member
    var = np.maximum(_by_pattern(p.solve, sums, pattern), 0.0)
    free = p.free.sum(axis=1)[pattern]
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = np.where(free > NOTHING, sums.sum(axis=1) / free, 0.0)
    return np.where((var > 0).any(axis=1, keepdims=True), var, pooled[:, None])


def _by_pattern(matrices: Floats, rows: Floats, pattern: NDArray[np.int64]) -> Floats:
    """Each row times the matrix of its pattern: (patterns, a, b), (..., b) → (..., a)."""
    if len(matrices) == 1:
        return rows @ matrices[0].T
    flat, index = rows.reshape(-1, rows.shape[-1]), pattern.reshape(-1)
    out = np.empty((len(flat), matrices.shape[1]))
    for i in range(0, len(flat), CHUNK):
        part = slice(i, i + CHUNK)
        out[part] = (matrices[index[part]] @ flat[part, :, None])[..., 0]
    return out.reshape(*rows.shape[:-1], -1)


def _square(cross: Floats, var: Floats, pattern: NDArray[np.int64]) -> Floats:
    """s' C s for each pair of quadratic forms: (patterns, 3, 3, arms, arms), (..., arms) → (..., 3, 3)."""
    arms = var.shape[-1]
    pairs = (var[..., :, None] * var[..., None, :]).reshape(*var.shape[:-1], arms * arms)
    flat = cross.reshape(len(cross), 9, arms * arms)
    return _by_pattern(flat, pairs, pattern).reshape(*var.shape[:-1], 3, 3)
